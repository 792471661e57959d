"""Answer photos: the likeliest classes of each photo, in the runtime of each file.

In come photos, and a build folder or model files; out goes a `PredictionReport`. Nothing is
compared with a true class, and nothing is proven: that is `verify`.

`predict`: answers photos in all files.
`classifiers`: opens model files with what turns a photo into their input.
`photos`: finds the photos that a user named.
`report`: the answers, as plain data.
`picture`: draws the photos with their likeliest classes.
"""
