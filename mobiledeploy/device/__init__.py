"""A build on a phone, over adb: the app answers the golden vectors, the host judges.

In comes a build and the phone's words, which are not trusted; out goes a report.
"""
