"""The stream of changes, `GET /watch` (docs/wire/interlink.md): lines, who holds them, who sends and who reads them.

`lines` what a line says, `hub` the newest line of every pod and its readers, `stream` the answer to a request,
`reader` the other end.
"""
