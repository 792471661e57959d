"""Proof: integers compared with integers.

In come two files and images; out goes a report that names what differs. This room trusts no
file: it reads what it compares from the files themselves.
"""
