/* The test program itself is the file: its own calls into libc go through entries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <gelf.h>
#include <unistd.h>

#include "recorder/stacks/names.h"
#include "recorder/stacks/plt.h"

struct place {
    Dwfl *dwfl;
    Dwfl_Module *module;
    int fd;
};

static int begin(void **state)
{
    struct place *place = calloc(1, sizeof(*place));

    if (!place)
        return -1;
    place->fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    place->dwfl = names_begin();
    if (!place->dwfl)
        return -1;
    dwfl_report_begin(place->dwfl);
    place->module = names_report(place->dwfl, "test_plt", place->fd, 0);
    dwfl_report_end(place->dwfl, NULL, NULL);
    *state = place;
    return place->module ? 0 : -1;
}

static int end(void **state)
{
    struct place *place = *state;

    dwfl_end(place->dwfl);
    close(place->fd);
    free(place);
    return 0;
}

/* How often the name stands at the addresses of a section, one by one. */
static size_t count_in(struct place *place, const char *wanted, const char *section_prefix)
{
    GElf_Addr bias;
    Elf *elf = dwfl_module_getelf(place->module, &bias);
    size_t names, count = 0;

    assert_int_equal(elf_getshdrstrndx(elf, &names), 0);
    for (Elf_Scn *section = elf_nextscn(elf, NULL); section; section = elf_nextscn(elf, section)) {
        GElf_Shdr header;

        assert_non_null(gelf_getshdr(section, &header));
        if (!(header.sh_flags & SHF_ALLOC) || strncmp(elf_strptr(elf, names, header.sh_name),
                                                      section_prefix, strlen(section_prefix)) != 0)
            continue;
        for (uint64_t at = 0; at < header.sh_size; at++) {
            char *name = plt_name(place->module, header.sh_addr + at + bias);

            count += name && (!*wanted || strcmp(name, wanted) == 0);
            free(name);
        }
    }
    return count;
}

static void entries_have_the_names_of_what_they_call(void **state)
{
    assert_in_range(count_in(*state, "close@plt", ".plt"), 8, 16); /* each byte of the entry */
    assert_int_equal(count_in(*state, "nothing_is_called_so@plt", ".plt"), 0);
}

static void other_code_has_none(void **state)
{
    assert_int_equal(count_in(*state, "", ".text"), 0);
    assert_int_equal(count_in(*state, "", ".data"), 0);
    assert_null(plt_name(((struct place *)*state)->module, UINT64_MAX));
    assert_null(plt_name(((struct place *)*state)->module, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(entries_have_the_names_of_what_they_call, begin, end),
        cmocka_unit_test_setup_teardown(other_code_has_none, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
