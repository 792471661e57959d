package dev.mobiledeploy.core

internal const val CONTRACT_FORMAT = 3
internal const val RESIZE = "triangle-v1"
internal const val LABELS = "labels.txt"
private const val MAX_FILE = Int.MAX_VALUE - (1 shl 20)
private const val MAX_APPEND = 1 shl 16
private val SIDES = 16..1024

/** Turns JSON into a contract field by field; whether the fields agree is for [Contract.check]. */
internal fun readContract(json: Json): Contract {
    val format = ((json as? Json.Obj)?.fields?.get("format") ?: Json.Null)
    if (json is Json.Obj && format.describe() != CONTRACT_FORMAT.toString()) {
        throw expected("format", "$CONTRACT_FORMAT (build again with this app's toolchain)", format)
    }
    val fields =
        Fields(
            Fields.ROOT,
            json,
            "format",
            "name",
            "classes",
            "head",
            "preprocessing",
            "resize",
            "resize_check",
            "input",
            "output",
            "logits",
            "tolerance",
            "files",
            "labels",
            "taps",
            optional = setOf("task"),
        )
    val preprocessing = fields.orNull("preprocessing", ::preprocessing)
    if (preprocessing != null) fields.oneOf("resize", listOf(RESIZE)) { it }
    return Contract(
        name = fields.text("name"),
        classes = fields.int("classes", 1..Int.MAX_VALUE),
        head = fields.oneOf("head", Head.values().toList(), Head::label),
        preprocessing = preprocessing,
        resizeCheck =
            if (preprocessing == null) fields.requireNull("resize", "resize_check")
            else fields.hex("resize_check", 32..32),
        input = tensor(fields.path("input"), fields.json("input")),
        output = tensor(fields.path("output"), fields.json("output")),
        logits = fields.orNull("logits", ::grid),
        tolerance = fields.orNull("tolerance", ::tolerance),
        files =
            fields.items("files").mapIndexed { index, item -> modelFile("files[$index]", item) },
        labels = labelsFile(fields.path("labels"), fields.json("labels")),
        taps = fields.items("taps").mapIndexed { index, item -> tap("taps[$index]", item) },
        task =
            if ("task" in fields) fields.oneOf("task", Task.values().toList(), Task::label)
            else Task.CLASSIFICATION,
    )
}

private fun Fields.requireNull(vararg names: String): String? {
    for (name in names) {
        if (json(name) != Json.Null) {
            throw expected(path(name), "null without `preprocessing`", json(name))
        }
    }
    return null
}

private fun preprocessing(where: String, json: Json): Preprocessing {
    val optional = setOf("image_width", "colour")
    val fields = Fields(where, json, "image_size", "crop", "mean", "std", optional = optional)
    val height = fields.int("image_size", SIDES)
    val colours = Colour.values().toList()
    return Preprocessing(
        height = height,
        width = if ("image_width" in fields) fields.int("image_width", SIDES) else height,
        crop = fields.oneOf("crop", Crop.values().toList(), Crop::label),
        mean = fields.number("mean"),
        std = fields.positive("std"),
        colour =
            if ("colour" in fields) fields.oneOf("colour", colours, Colour::label) else Colour.RGB,
    )
}

private fun tensor(where: String, json: Json): Tensor {
    val fields = Fields(where, json, "dtype", "shape", "grid")
    return Tensor(
        type = elementType(fields, "dtype", ElementType.values().toList()),
        shape =
            fields.items("shape").mapIndexed { index, item ->
                item.int("${fields.path("shape")}[$index]", 1..Int.MAX_VALUE)
            },
        grid = fields.orNull("grid", ::grid),
    )
}

private fun grid(where: String, json: Json): Grid {
    val fields = Fields(where, json, "scale", "zero_point")
    return Grid(scale = fields.positive("scale"), zeroPoint = fields.int("zero_point", -128..127))
}

private fun tolerance(where: String, json: Json): Tolerance {
    val fields = Fields(where, json, "logits", "scores")
    return Tolerance(logits = fields.int("logits", 0..0), scores = fields.int("scores", 1..1))
}

private fun modelFile(where: String, json: Json): ModelFile {
    val fields = Fields(where, json, "path", "size", "sha256")
    return ModelFile(
        format = modelFormat(fields),
        size = fields.int("size", 1..MAX_FILE),
        sha256 = fields.hex("sha256", 32..32),
    )
}

private fun labelsFile(where: String, json: Json): LabelsFile {
    val fields = Fields(where, json, "path", "size", "sha256")
    fields.oneOf("path", listOf(LABELS)) { it }
    return LabelsFile(size = fields.int("size", 1..MAX_FILE), sha256 = fields.hex("sha256", 32..32))
}

private fun tap(where: String, json: Json): Tap {
    val fields = Fields(where, json, "path", "output", "dtype", "patch", "append")
    return Tap(
        format = modelFormat(fields),
        output = fields.text("output"),
        type = elementType(fields, "dtype", listOf(ElementType.INT8, ElementType.UINT8)),
        patch = fields.orNull("patch", ::patch),
        append = fields.hex("append", 1..MAX_APPEND),
    )
}

private fun patch(where: String, json: Json): Patch {
    val fields = Fields(where, json, "offset", "bytes")
    return Patch(offset = fields.int("offset", 0..MAX_FILE), bytes = fields.hex("bytes", 4..4))
}

private fun modelFormat(fields: Fields): ModelFormat =
    fields.oneOf("path", ModelFormat.values().toList(), ModelFormat::file)

private fun elementType(fields: Fields, name: String, allowed: List<ElementType>): ElementType =
    fields.oneOf(name, allowed, ElementType::label)

private fun Fields.positive(name: String): Double =
    number(name).also { if (it <= 0.0) throw expected(path(name), "a number above 0", json(name)) }
