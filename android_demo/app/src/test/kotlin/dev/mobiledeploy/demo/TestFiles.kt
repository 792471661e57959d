package dev.mobiledeploy.demo

import java.io.File

/** What the tests' caller made for them; tests/android/test_app.py. */
internal object TestFiles {
    /** Photos by name; `expected.tsv` says what they show. */
    val photos: File = File(property("photos"))

    /** Files that are no whole photos. */
    val broken: File
        get() = File(property("broken"))

    /** Two that show different things, the second held sideways. */
    val upright: File
        get() = File(photos, "upright.png")

    val turned: File
        get() = File(photos, "turned.jpg")

    /** What Python says of a photo with one engine. */
    class Expected(val file: String, val engine: String, val rows: List<String>)

    /** `file, engine, row, row, ...` a line, separated by tabs. */
    fun expectedAnswers(): List<Expected> =
        File(photos, "expected.tsv").readLines().map { line ->
            val fields = line.split('\t')
            Expected(fields[0], fields[1], fields.drop(2))
        }

    fun property(name: String): String =
        System.getProperty("mobiledeploy.$name")
            ?: error("run by `pytest -m android tests/android`")
}
