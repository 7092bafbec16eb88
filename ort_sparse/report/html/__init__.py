"""Pages for people who look: one HTML file each, which needs no network, no server and no script.

Names and notes of a model are somebody else's text. They reach a page only as text of a template,
which escapes them, and never a chart; a page allows no script but its own.
"""
