#!/usr/bin/env python3
"""Writes docs/diagrams/two-apis.svg, the picture in README.md.

    docs/diagrams/two-apis.py            # writes the file
    docs/diagrams/two-apis.py --check    # ends with 1 if the file is out of date

GitHub shows the file in an <img>. There the style sheet follows the reader's light or dark mode.
"""

import pathlib
import sys

OUT = pathlib.Path(__file__).with_suffix(".svg")
WIDTH, HEIGHT = 840, 372

STYLE = """
  text { font: 14px ui-sans-serif, system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328; }
  .title { font-weight: 600; }
  .code { font: 12.5px ui-monospace, SFMono-Regular, Menlo, "DejaVu Sans Mono", monospace; }
  .small { font-size: 12.5px; fill: #59636e; }
  .box { fill: #f6f8fa; stroke: #d1d9e0; }
  .oci { fill: #ddf4ff; stroke: #54aeff; }
  .s3 { fill: #fff1e5; stroke: #fb8f44; }
  .core { fill: #dafbe1; stroke: #4ac26b; }
  .line { stroke: #818b98; stroke-width: 1.5; fill: none; marker-end: url(#arrow); }
  .head { fill: #818b98; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; }
    .small { fill: #9198a1; }
    .box { fill: #151b23; stroke: #3d444d; }
    .oci { fill: #0c2d6b; stroke: #388bfd; }
    .s3 { fill: #4d2100; stroke: #db6d28; }
    .core { fill: #033a16; stroke: #2ea043; }
    .line { stroke: #9198a1; }
    .head { fill: #9198a1; }
  }
"""


def escape(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def text(x, y, words, kind=""):
    kind = f' class="{kind}"' if kind else ""
    return f'<text x="{x}" y="{y}" text-anchor="middle"{kind}>{escape(words)}</text>'


def box(x, y, width, height, kind, *lines):
    """A box with centred lines, each a pair of text and class."""
    parts = [f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8" class="{kind}"/>']
    first = y + height / 2 + 5 - 10 * (len(lines) - 1)
    for row, (words, style) in enumerate(lines):
        parts.append(text(x + width / 2, first + 20 * row, words, style))
    return "\n".join(parts)


def arrow(x1, y1, x2, y2):
    return f'<path class="line" d="M{x1} {y1} L{x2} {y2}"/>'


def picture():
    return "\n".join([
        # clients
        box(20, 20, 380, 64, "box", ("oras · crane · skopeo · docker · helm · cosign", "title"),
            ("oras pull HOST/team@sha256:f9ff…", "code")),
        box(440, 20, 380, 64, "box", ("aws · boto3 · rclone · restic · any AWS SDK", "title"),
            ("aws s3 cp hello.txt s3://team/hello.txt", "code")),
        arrow(210, 84, 210, 110), arrow(630, 84, 630, 110),
        # the store
        box(20, 114, 380, 46, "oci", ("OCI API: repositories, manifests, tags", "title")),
        box(440, 114, 380, 46, "s3", ("S3 API: buckets, objects, versions", "title")),
        arrow(210, 160, 210, 186), arrow(630, 160, 630, 186),
        box(20, 190, 800, 68, "core", ("one artifact: the same bytes, digest, access control and audit trail", "title"),
            ("bucket “team” is repository “team”; an object is an OCI artifact with one layer", "small")),
        arrow(210, 258, 210, 284), arrow(630, 258, 630, 284),
        box(20, 288, 380, 64, "box", ("metadata in one database", "title"), ("Postgres, or embedded SQLite", "small")),
        box(440, 288, 380, 64, "box", ("each blob stored once", "title"),
            ("S3, Google Cloud Storage, Azure, or a local disk", "small")),
    ])


def svg():
    label = "Two APIs, OCI and S3, serve the same artifacts from one database and one blob storage."
    arrowhead = ('<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
                 'orient="auto"><path class="head" d="M0 0 L8 4 L0 8 z"/></marker></defs>')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
            f'role="img" aria-label="{label}">\n<style>{STYLE}</style>\n{arrowhead}\n{picture()}\n</svg>\n')


def main():
    if sys.argv[1:] == ["--check"]:
        if not OUT.exists() or OUT.read_text(encoding="utf-8") != svg():
            sys.exit(f"{OUT} is out of date: run docs/diagrams/two-apis.py")
    elif sys.argv[1:]:
        sys.exit(__doc__)
    else:
        OUT.write_text(svg(), encoding="utf-8")


if __name__ == "__main__":
    main()
