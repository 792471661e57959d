package dev.mobiledeploy.core

/**
 * What an output means.
 *
 * @property label the name in `contract.json`.
 */
public enum class Head(public val label: String) {
    /** Scores of a softmax or, by the [Task], of a sigmoid. */
    SOFTMAX("softmax"),

    /** The app makes the scores, in floating point. */
    LOGITS("logits"),
}

/**
 * What the outputs are.
 *
 * @property label the name in `contract.json`.
 * @property fewest fewest lines of `labels.txt`.
 */
public enum class Task(public val label: String, public val fewest: Int) {
    /** Scores of classes of which one is right: of a softmax. */
    CLASSIFICATION("classification", 2),

    /** A single score, of a sigmoid, for the second of two classes. */
    BINARY("binary", 2),

    /** Scores of classes of which any number are right: of sigmoids. */
    MULTI_LABEL("multi-label", 1),

    /** Numbers of any kind. */
    REGRESSION("regression", 1),
}

/**
 * What a network sees of a photo.
 *
 * @property label the name in `contract.json`.
 * @property channels how many values a pixel has.
 */
public enum class Colour(public val label: String, public val channels: Int) {
    RGB("rgb", 3),

    /** The brightness: `(19595 R + 38470 G + 7471 B + 32768) >> 16`. */
    GREY("grey", 1),
}

/**
 * How a photo gets the input's proportions.
 *
 * @property label the name in `contract.json`.
 */
public enum class Crop(public val label: String) {
    /** The largest centred part. */
    CENTER("center"),

    /** The whole photo; its proportions change. */
    STRETCH("stretch"),
}

/**
 * From photo to input values, as `docs/preprocessing.md` of the toolchain defines it.
 *
 * @property height rows of the input.
 * @property width pixels a row.
 * @property crop how the photo gets these proportions.
 * @property mean subtracted from the 8-bit value of each channel.
 * @property std divides the difference.
 * @property colour what of the photo is seen.
 */
public data class Preprocessing(
    val height: Int,
    val width: Int,
    val crop: Crop,
    val mean: Double,
    val std: Double,
    val colour: Colour = Colour.RGB,
)

/**
 * An integer grid: a real value is `(code - zeroPoint) * scale`.
 *
 * @property scale real units a step.
 * @property zeroPoint the int8 code of 0, -128..127; the uint8 code is 128 more.
 */
public data class Grid(val scale: Double, val zeroPoint: Int)

/**
 * The input or output of the models.
 *
 * @property type what the numbers are.
 * @property shape batch first; the batch is 1.
 * @property grid of the int8 codes; null in a float model.
 */
public data class Tensor(val type: ElementType, val shape: List<Int>, val grid: Grid?)

/**
 * How far a device may be from the golden vectors, in steps (LSB) of the int8 grids.
 *
 * @property logits for logits.
 * @property scores for the softmax's output.
 */
public data class Tolerance(val logits: Int, val scores: Int)

/**
 * A model among the assets.
 *
 * @property format which.
 * @property size bytes.
 * @property sha256 of its bytes, 64 hexadecimal digits.
 */
public data class ModelFile(val format: ModelFormat, val size: Int, val sha256: String)

/**
 * `labels.txt` among the assets.
 *
 * @property size bytes.
 * @property sha256 of its bytes, 64 hexadecimal digits.
 */
public data class LabelsFile(val size: Int, val sha256: String)

/**
 * Bytes to be written over a file's own.
 *
 * @property offset of the first byte.
 * @property bytes in hexadecimal.
 */
public data class Patch(val offset: Int, val bytes: String)

/**
 * How to make a copy of a model that gives its logits out as a second output.
 *
 * @property format of which model.
 * @property output the name of the further output.
 * @property type int8 or uint8: codes on the contract's grid of logits.
 * @property patch bytes to be replaced first, or null.
 * @property append bytes to be put behind the end, in hexadecimal.
 */
public data class Tap(
    val format: ModelFormat,
    val output: String,
    val type: ElementType,
    val patch: Patch?,
    val append: String,
)

/**
 * `contract.json`: all that an app must know to use a build's models.
 *
 * @property name of the architecture, such as `mobilenet_v2_0.35_96`.
 * @property classes number of labels and outputs.
 * @property head what the output means.
 * @property preprocessing from photo to input values; null where the input is no photo.
 * @property resizeCheck SHA-256 of what crop and resize make of the [TestCard]; null without
 *   [preprocessing].
 * @property input one image, NHWC, or values of any shape.
 * @property output one value a class; a single one for [Task.BINARY].
 * @property logits grid of the golden logits; null in a float model.
 * @property tolerance for the golden vectors; null in a float model.
 * @property files the two models.
 * @property labels the classes' names, in the order of the output.
 * @property taps for models that end in scores of integers; else empty.
 * @property task what the outputs are.
 */
public data class Contract(
    val name: String,
    val classes: Int,
    val head: Head,
    val preprocessing: Preprocessing?,
    val resizeCheck: String?,
    val input: Tensor,
    val output: Tensor,
    val logits: Grid?,
    val tolerance: Tolerance?,
    val files: List<ModelFile>,
    val labels: LabelsFile,
    val taps: List<Tap>,
    val task: Task = Task.CLASSIFICATION,
) {
    /** How many values the output has. */
    public val outputs: Int
        get() = if (task == Task.BINARY) 1 else classes

    /** Whether the models compute in floating point, and not in integers. */
    public val isFloat: Boolean
        get() = tolerance == null

    /** The tap of a model, or null where its output is the logits already. */
    public fun tap(format: ModelFormat): Tap? = taps.firstOrNull { it.format == format }

    public companion object {
        /**
         * Reads a contract, strictly.
         *
         * @throws ContractException a field is missing, unknown or of another type, or the fields
         *   contradict each other.
         */
        public fun parse(json: String): Contract =
            readContract(Json.parse(json)).also { it.check() }
    }
}
