"""Serve npm packages to the publisher's pages, in the formats that a browser runs."""

from __future__ import annotations

import json
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

PACKAGES: Final = Path("tools/node_modules")

_COMPILE_SVELTE: Final = """
import { compile } from 'svelte/compiler';
let source = '';
for await (const part of process.stdin) source += part;
process.stdout.write(compile(source, { generate: 'client' }).js.code);
"""


def package_file(name: str) -> bytes | None:
    """Return a file of a package, or None. `react/index.js` is a name."""
    path = PACKAGES / name
    return path.read_bytes() if ".." not in name and path.is_file() else None


@cache
def bundle(*names: str) -> str:
    """Return one script that defines `require` for these CommonJS packages and all that they require."""
    modules: dict[str, str] = {}
    waiting = [_resolve(name, "") for name in names]
    while waiting:
        name = waiting.pop()
        if name in modules:
            continue
        modules[name] = _with_resolved_names(name)
        waiting += re.findall(r'require\("([^"]+)"\)', modules[name])
    functions = ",".join(f"{json.dumps(name)}(module,exports){{{source}\n}}" for name, source in modules.items())
    aliases = json.dumps({name: _resolve(name, "") for name in names})
    return (
        "window.process={env:{NODE_ENV:'development'}};"
        f"const sources={{{functions}}},aliases={aliases},loaded={{}};"
        "window.require=(name)=>{name=aliases[name]??name;if(!loaded[name]){const module=(loaded[name]={exports:{}});"
        "sources[name](module,module.exports)}return loaded[name].exports};"
    )


def _with_resolved_names(name: str) -> str:
    """Return a module's source. Each `require` in it names a file."""
    source, folder = (PACKAGES / name).read_text("utf-8"), name.rpartition("/")[0]
    return re.sub(
        r'require\(["\']([^"\']+)["\']\)', lambda call: f"require({json.dumps(_resolve(call[1], folder))})", source
    )


def _resolve(name: str, folder: str) -> str:
    """Return the file of a module, relative to the folder of packages."""
    path = Path(folder, name) if name.startswith(".") else Path(name)
    for candidate in (path, path.with_name(f"{path.name}.js"), path / "index.js"):
        if (PACKAGES / candidate).is_file():
            return candidate.as_posix()
    raise FileNotFoundError(f"{name} is not in {PACKAGES}: run make install")


@cache
def compile_svelte(source: str) -> str:
    """Compile a component for the browser."""
    command = ["node", "--input-type=module", "--eval", _COMPILE_SVELTE]
    return subprocess.run(
        command, cwd=PACKAGES.parent, input=source, capture_output=True, text=True, check=True, encoding="utf-8"
    ).stdout
