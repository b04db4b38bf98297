"""Texts that try to become more than text: in titles, names, ids, values, filters, files, addresses."""

#: What each script tries to do: the test looks whether it could.
TRIED = "window.hacked"
_RUN = f"{TRIED}=1"
#: Every text of the corpus.                                                     <- add a text
HOSTILE = (
    f"<script>{_RUN}</script>",
    f"</script><script>{_RUN}</script>",
    f"</title><script>{_RUN}</script>",
    f"</textarea><script>{_RUN}</script>",
    f"<img src=x onerror={_RUN}>",
    f'"><img src=x onerror="{_RUN}">',
    f"'><svg onload='{_RUN}'>",
    f'" autofocus onfocus="{_RUN}" x="',
    f"' autofocus onfocus='{_RUN}' x='",
    f"javascript:{_RUN}",
    f"</svg><script>{_RUN}</script>",
    f"</desc><script>{_RUN}</script>",
    f"{{{{ ''.__class__.__mro__ }}}}<script>{_RUN}</script>",
    f"{{% set x = 1 %}}<script>{_RUN}</script>",
    f"${{{_RUN}}}`{_RUN}`",
    "<style>@import 'x'</style><link rel=stylesheet href=x><base href='//evil.test/'>",
    f"<form action='//evil.test'><button formaction='javascript:{_RUN}'>",
    f"<iframe srcdoc='<script>parent.{_RUN}</script>'></iframe>",
    "\u202egnp.exe\u202c \u200b zero \ufeff width",
    "𝕴𝖙𝖊𝖒 ‮ مرحبا 你好 🎬" * 4,
    "a" * 3000,
    "\r\nset-cookie: sartor-session=evil",
    "&lt;script&gt; &amp; &#x3c;",
)
#: One text with the most dangerous of them, where a test has room for one.
WORST = "".join(HOSTILE[:12])
