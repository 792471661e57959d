package dev.mobiledeploy.core

/**
 * What an output means.
 *
 * @property label the name in `contract.json`.
 */
public enum class Head(public val label: String) {
    /** Probabilities that sum to about 1. */
    SOFTMAX("softmax"),

    /** The app applies the softmax, in floating point. */
    LOGITS("logits"),
}

/**
 * How a photo becomes square.
 *
 * @property label the name in `contract.json`.
 */
public enum class Crop(public val label: String) {
    /** The largest centred square. */
    CENTER("center"),

    /** The whole photo; its proportions change. */
    STRETCH("stretch"),
}

/**
 * From photo to input values, as `docs/preprocessing.md` of the toolchain defines it.
 *
 * @property imageSize height and width of the input, pixels.
 * @property crop how the photo becomes square.
 * @property mean subtracted from the 8-bit value of each of R, G, B.
 * @property std divides the difference.
 */
public data class Preprocessing(
    val imageSize: Int,
    val crop: Crop,
    val mean: Double,
    val std: Double,
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
 * @property preprocessing from photo to input values.
 * @property resizeCheck SHA-256 of what crop and resize make of the [TestCard].
 * @property input one RGB image, NHWC.
 * @property output one value a class.
 * @property logits grid of the golden logits; null in a float model.
 * @property tolerance for the golden vectors; null in a float model.
 * @property files the two models.
 * @property labels the classes' names, in the order of the output.
 * @property taps for models that end in a softmax of integers; else empty.
 */
public data class Contract(
    val name: String,
    val classes: Int,
    val head: Head,
    val preprocessing: Preprocessing,
    val resizeCheck: String,
    val input: Tensor,
    val output: Tensor,
    val logits: Grid?,
    val tolerance: Tolerance?,
    val files: List<ModelFile>,
    val labels: LabelsFile,
    val taps: List<Tap>,
) {
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
