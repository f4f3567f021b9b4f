"""`llms.txt`: the pages of the site with a sentence each, for programs that read documentation (llmstxt.org)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from reference_pages.markdown import prose


def llms(pages: Mapping[str, str], about: str) -> str:
    """The text of the file.

    Parameters
    ----------
    pages : mapping of str to str
        The Markdown of each page, by its name without ending, in the order of the site.
    about : str
        What the project is, in a sentence.
    """
    lines = ["# hpcsim", "", f"> {about}"]
    section = ""
    for name, text in pages.items():
        folder = name.split("/")[0]
        if folder != section and "/" in name:
            section = folder
            lines += ["", f"## {section.replace('-', ' ').capitalize()}", ""]
        title, sentence = heading(text)
        lines.append(f"- [{title}]({name}.html){': ' + sentence if sentence else ''}")
    return "\n".join(lines) + "\n"


def heading(text: str) -> tuple[str, str]:
    """Title and first sentence of a page."""
    text = re.sub(r"^(`{3,}).*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    # a heading within the page is no sentence
    text = re.sub(r"^##+ .*$", "", text, flags=re.MULTILINE)
    title, *paragraphs = [part.strip() for part in re.split(r"\n\s*\n", text) if part.strip()]
    title, _, rest = title.partition("\n")
    # neither a table, a picture, a list nor a comment
    words = next((part for part in [rest, *paragraphs] if part and not re.match(r"\||!|<|- ", part)), "")
    words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", prose(words)).replace("**", "")
    first = re.match(r".+?(?<! al)[.:](?= [A-Z`]|$)", words)
    return title.removeprefix("# "), (first[0] if first else words).removesuffix(":")
