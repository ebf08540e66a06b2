# Makes a C array of page.html with the style and the scripts in it.
# cmake -DPAGE=page.html -DSTYLE=style.css "-DSCRIPTS=a.js;b.js" -DOUTPUT=page.c -P embed.cmake
set(script "")
foreach(file IN LISTS SCRIPTS)
    file(READ ${file} part)
    string(APPEND script "${part}")
endforeach()
file(READ ${STYLE} style)
file(READ ${PAGE} page)
string(REPLACE "<!--STYLE-->" "${style}" page "${page}")
string(REPLACE "<!--SCRIPT-->" "${script}" page "${page}")
file(WRITE ${OUTPUT}.html "${page}")
file(READ ${OUTPUT}.html hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
file(WRITE ${OUTPUT} "#include \"reports/html/parts.h\"\n
const unsigned char html_page[] = {${hex}};
const unsigned long html_page_length = sizeof(html_page);
")
