/* The linked blob as data of the recorder. */
    .section .rodata
    .globl blob_code, blob_code_end
    .hidden blob_code, blob_code_end
    .balign 64
blob_code:
    .incbin "blob.bin"
blob_code_end:

    .section .note.GNU-stack, "", @progbits
