"""The report of a verification: one frozen document, as JSON and as a page that opens offline.

In comes what `verify` observed; out go `report.json` and `report.html`. The page is a function of
the document: it shows no number that is not in it. This room judges nothing: the verdict is
`verify`'s.
"""
