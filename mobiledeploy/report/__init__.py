"""The report of a verification: `report.json`, and `report.html`, a page that opens offline.

In comes the result of `verify`; out go the files. Every number on the page is in `report.json`.
This room decides nothing: the verdict is that of `verify`.

`document`: the dataclasses of `report.json`.
`make_report`: makes the report of a build or of two files, and writes its files.
`classification`: accuracy and confusion matrix of the first file.
`example_images`: chooses the images that the report shows.
`int8_graph`: measures activations and cost of the int8 graph of a `.tflite`.
`activations`: measures the activations of an int8 graph on images.
`latency`: measures the latency of both files on this machine.
`page`: `report.html`, made from the document by the templates.
`charts`: geometry of the page's charts.
"""
