package dev.mobiledeploy.core

import java.nio.ByteBuffer

/**
 * What the numbers of a tensor are.
 *
 * @property label the name in `contract.json`.
 * @property bytes size of one number.
 */
public enum class ElementType(public val label: String, public val bytes: Int) {
    INT8("int8", 1),
    UINT8("uint8", 1),
    FLOAT32("float32", 4),
}

/**
 * A quantisation as a runtime tells it: a real value is `(code - zeroPoint) * scale`.
 *
 * @property scale real units a step.
 * @property zeroPoint the code of 0, in the tensor's own type: 0..255 where that is uint8.
 */
public data class Quantisation(val scale: Float, val zeroPoint: Int)

/**
 * A tensor of an opened model, as the runtime describes it.
 *
 * @property name the tensor's name in the file.
 * @property type what its numbers are.
 * @property shape batch first; -1 where the size is free.
 * @property quantisation null where the tensor is float, or the runtime does not tell it.
 */
public data class TensorSpec(
    val name: String,
    val type: ElementType,
    val shape: List<Int>,
    val quantisation: Quantisation? = null,
)

/**
 * A model that a runtime has opened. Not safe for use by two threads at a time.
 *
 * Implementations turn every exception of their runtime into an [EngineException].
 */
public interface Engine : AutoCloseable {
    /** Runtime, version and kernels, for people: `ONNX Runtime 1.29.0, 4 threads`. */
    public val title: String

    /** One RGB image, NHWC. */
    public val input: TensorSpec

    /** In the order of the file: scores or logits first, a tapped tensor last. */
    public val outputs: List<TensorSpec>

    /**
     * Runs the model on one image.
     *
     * @param input direct, native byte order, the image from index 0 to the limit.
     * @return a buffer for each of [outputs], native byte order, from index 0 to the limit; valid
     *   until the next run or [close].
     * @throws EngineException the runtime failed.
     */
    public fun run(input: ByteBuffer): List<ByteBuffer>

    /** Frees the runtime's memory; may be called twice. */
    override fun close()
}

/**
 * The two files of a build.
 *
 * @property file its name among the assets.
 */
public enum class ModelFormat(public val file: String) {
    TFLITE("model.tflite"),
    ONNX("model.onnx"),
}

/** Opens models with one runtime. */
public interface EngineFactory {
    /** The runtime's name, for people, before a model is open: `ONNX Runtime`. */
    public val title: String

    /** Which of the two files this runtime reads. */
    public val format: ModelFormat

    /**
     * Opens a model.
     *
     * @param model the whole file: direct, native byte order, from index 0 to the limit. It is not
     *   changed as long as the engine is open, so that the engine need not copy it.
     * @param threads how many threads one inference may use, at least 1.
     * @throws EngineException the runtime refuses the file.
     */
    public fun open(model: ByteBuffer, threads: Int): Engine
}
