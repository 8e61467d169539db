#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compiles one shader to SPIR-V, checks it and writes it as a C array.

compile.py GLSLANG SPIRV_VAL|- NAME INPUT.comp OUTPUT.c [-DMACRO]...
compile.py - - NAME INPUT.spv OUTPUT.c        only writes the array
"""
import pathlib
import subprocess
import sys

glslang, validator, name, source, output, *macros = sys.argv[1:]
spirv = source if glslang == "-" else output + ".spv"
if glslang != "-":
    folder = str(pathlib.Path(source).parent)
    done = subprocess.run([glslang, "-V", "--target-env", "vulkan1.2", "-I" + folder, *macros, source,
                           "-o", spirv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(done.stdout)
if validator != "-":
    subprocess.run([validator, "--target-env", "vulkan1.2", spirv], check=True)
code = pathlib.Path(spirv).read_bytes()
words = [int.from_bytes(code[i:i + 4], "little") for i in range(0, len(code), 4)]
lines = [", ".join(f"0x{w:08x}u" for w in words[i:i + 8]) for i in range(0, len(words), 8)]
pathlib.Path(output).write_text(
    "// Made from %s by compile.py.\n#include <stddef.h>\n#include <stdint.h>\n"
    "extern const uint32_t vk_code_%s[];\nextern const size_t vk_code_size_%s;\n"
    "const uint32_t vk_code_%s[] = {\n    %s};\nconst size_t vk_code_size_%s = %d;\n"
    % (pathlib.Path(source).name, name, name, name, ",\n    ".join(lines), name, len(code)))
