"""The reference: docstrings, placed by comments, with the names in them linked.

A page of the reference is Markdown with a comment where Sphinx puts an object::

    <!-- autoclass: paxos_core.replica.Replica -->

Readers of plain Markdown do not see it. Options follow: ``no-members``, or
``exclude-members=Name``. A name between backticks in a docstring
is a link if it is a documented object's: as the docstring's own module knows it, or
if no two objects end with it. Else it is code, without a complaint: not every name
that prose mentions is public.
"""

from __future__ import annotations

import inspect
import re
import sys
from typing import Any, Final, get_args

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.domains.python import PythonDomain
from sphinx.environment import BuildEnvironment
from sphinx.util.inspect import TypeAliasForwardRef
from sphinx.util.nodes import make_refnode

from paxos_core.messages import Message

_PLACE = re.compile(r"^<!-- (auto[a-z]+): (\S+)((?: [\w=-]+)*) -->$", re.MULTILINE)


_ANY_MESSAGE: Final = " | ".join(
    f"~{kind.__module__}.{kind.__qualname__}" for kind in get_args(Message)
)
"""What `Message` becomes once it is evaluated."""
_CONTEXT: Final = "~contextlib.AbstractAsyncContextManager"


def placed(markdown: str) -> list[tuple[str, str]]:
    """(directive, dotted name) of each object that a page places."""
    return [(directive, name) for directive, name, _ in _PLACE.findall(markdown)]


def _directive(place: re.Match[str]) -> str:
    options = ""
    for option in place[3].split():
        name, _, value = option.partition("=")
        options += f"   :{name}: {value}\n"
    return f"```{{eval-rst}}\n.. {place[1]}:: {place[2]}\n{options}```"


def _read(app: Sphinx, docname: str, source: list[str]) -> None:
    if docname.startswith("reference/"):
        source[0] = _PLACE.sub(_directive, source[0])


def _known_in(module: str, target: str) -> str:
    """The full name of what `target` is called in `module`; empty if it is nothing there."""
    found: object = sys.modules.get(module)
    for part in target.split("."):
        found = getattr(found, part, None)
    return f"{getattr(found, '__module__', '')}.{getattr(found, '__qualname__', '')}"


def _resolve(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.Element | None:
    """Find a name that is not written in full."""
    if node.get("refdomain") != "py":
        return None
    domain = env.get_domain("py")
    assert isinstance(domain, PythonDomain)
    target = node["reftarget"].removesuffix("()")
    name = _known_in(node.get("py:module") or "", target)
    if name not in domain.objects:
        # A word in lower case alone is mostly a parameter.
        is_telling = target[:1].isupper() or "." in target
        ending = [name for name in domain.objects if is_telling and name.endswith(f".{target}")]
        name = ending[0] if len(ending) == 1 else ""
    if name:
        entry = domain.objects[name]
        uri = (app.builder, node["refdoc"], entry.docname, entry.node_id)
        return make_refnode(*uri, content, name)
    # Of the default role; what a signature names has to be found.
    return content if node["reftype"] == "obj" else None


def _signature(
    app: Sphinx, what: str, name: str, found: object, options: Any, signature: str, returns: str
) -> tuple[str, str] | None:
    """A protocol is never made, so it has none; of others, as the source has them.

    A default that is made anew each time is no Python, so that nothing would be parsed.
    What is called for `async with` says so, and not what its generator yields.
    """
    if what == "class" and getattr(found, "_is_protocol", False):
        return "", ""
    if not signature:
        return None
    if inspect.isasyncgenfunction(getattr(found, "__wrapped__", None)):
        returns = re.sub(r"^[~\w.]*AsyncIterator\[", f"{_CONTEXT}[", returns)
    return signature.replace("<factory>", "...").replace(_ANY_MESSAGE, "Message"), returns


def _name_alias(alias: TypeAliasForwardRef) -> str:
    """By its last part, as other types are; Sphinx would write ``TypeAliasForwardRef('...')``."""
    return f"~{alias.name}"


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    TypeAliasForwardRef.__repr__ = _name_alias  # type: ignore[method-assign]
    app.connect("source-read", _read, priority=250)
    app.connect("missing-reference", _resolve)
    app.connect("autodoc-process-signature", _signature)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
