"""An app's Markdown as text for reading: wrapped, its links numbered, each on a line of its own."""

import functools
import textwrap

from markdown_it.tree import SyntaxTreeNode

from polydock_pipelines.emails.body import parser, refuse_unprintable
from polydock_pipelines.emails.plain import WIDTH, wrapped


@functools.lru_cache(maxsize=128)
def to_text(markdown: str) -> str:
    """Return *markdown* as plain text, without a line break at its end."""
    refuse_unprintable(markdown)
    root = SyntaxTreeNode(parser().parse(markdown))
    return "\n\n".join(Reader().blocks(root, WIDTH))


class Reader:
    """Reads one body aloud, and counts its links on the way."""

    def __init__(self) -> None:
        self._links = 0

    def blocks(self, node: SyntaxTreeNode, width: int) -> list[str]:
        """Return the parts of *node* that an empty line stands between."""
        return [text for child in node.children if (text := self._block(child, width))]

    def _block(self, node: SyntaxTreeNode, width: int) -> str:
        match node.type:
            case "bullet_list" | "ordered_list":
                return self._list(node, width)
            case "blockquote":
                inner = "\n\n".join(self.blocks(node, width - 2))
                return textwrap.indent(inner, "> ", lambda _: True)
            case "fence" | "code_block":
                return textwrap.indent(node.content.rstrip(), "    ", lambda _: True)
            case "table":
                return self._table(node)
            case "hr":
                return "-" * 24
            case _:
                return self._paragraph(node, width)

    def _paragraph(self, node: SyntaxTreeNode, width: int) -> str:
        links: list[str] = []
        words = "".join(self._inline(child, links) for child in node.children)
        text = wrapped(words.strip(), width)
        if node.type == "heading":
            text += "\n" + "-" * max(len(line) for line in text.split("\n"))
        return "\n".join([text, *links])

    def _list(self, node: SyntaxTreeNode, width: int) -> str:
        first = int(node.attrs.get("start", 1))
        items: list[str] = []
        for number, item in enumerate(node.children, first):
            mark = "- " if node.type == "bullet_list" else f"{number}. "
            blocks = self.blocks(item, width - len(mark))
            text = textwrap.indent("\n".join(blocks), " " * len(mark))
            items.append(mark + text[len(mark) :])
        return "\n".join(items)

    def _table(self, node: SyntaxTreeNode) -> str:
        links: list[str] = []
        rows = [
            " | ".join(self._inline(cell, links).strip() for cell in row.children)
            for part in node.children
            for row in part.children
        ]
        return "\n".join([*rows, *links])

    def _inline(self, node: SyntaxTreeNode, links: list[str]) -> str:
        match node.type:
            case "text" | "code_inline" | "text_special":
                return node.content
            case "softbreak":
                return " "
            case "hardbreak":
                return "\n"
            case "image":
                return f"[picture: {node.content}]" if node.content else ""
            case "link":
                return self._link(node, links)
            case _:
                return "".join(self._inline(child, links) for child in node.children)

    def _link(self, node: SyntaxTreeNode, links: list[str]) -> str:
        words = "".join(self._inline(child, links) for child in node.children)
        target = str(node.attrs["href"])
        address = target.removeprefix("mailto:")
        if address != target and words == address:
            return address
        self._links += 1
        mark = f"[{self._links}]"
        links.append(f"{mark} {address}")
        return mark if words in (address, "") else f"{words} {mark}"
