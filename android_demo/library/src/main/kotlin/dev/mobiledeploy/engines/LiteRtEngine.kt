package dev.mobiledeploy.engines

import dev.mobiledeploy.core.ElementType
import dev.mobiledeploy.core.Engine
import dev.mobiledeploy.core.EngineException
import dev.mobiledeploy.core.EngineFactory
import dev.mobiledeploy.core.ModelFormat
import dev.mobiledeploy.core.Quantisation
import dev.mobiledeploy.core.TensorSpec
import java.nio.ByteBuffer
import java.nio.ByteOrder
import org.tensorflow.lite.DataType
import org.tensorflow.lite.Interpreter
import org.tensorflow.lite.Tensor
import org.tensorflow.lite.TensorFlowLite

/**
 * TensorFlow Lite, today called LiteRT, on the CPU with XNNPACK's kernels.
 *
 * Uses only what `org.tensorflow.lite` has both in TensorFlow Lite 2.16 and in LiteRT 1.4.
 */
public class LiteRtEngine
private constructor(private val interpreter: Interpreter, override val title: String) : Engine {
    override val input: TensorSpec = spec(interpreter.getInputTensor(0))

    override val outputs: List<TensorSpec> =
        List(interpreter.outputTensorCount) { spec(interpreter.getOutputTensor(it)) }

    private val results: List<ByteBuffer> =
        List(interpreter.outputTensorCount) { index ->
            val size = interpreter.getOutputTensor(index).numBytes()
            ByteBuffer.allocateDirect(size).order(ByteOrder.nativeOrder())
        }

    override fun run(input: ByteBuffer): List<ByteBuffer> {
        input.rewind()
        results.forEach { it.rewind() }
        // The interpreter compares capacities: a slice's capacity is what the caller filled.
        val image = input.slice().order(ByteOrder.nativeOrder())
        val byIndex: Map<Int, Any> =
            results.withIndex().associate { (index, buffer) -> index to buffer }
        translated { interpreter.runForMultipleInputsOutputs(arrayOf<Any>(image), byIndex) }
        results.forEach { it.rewind() }
        return results
    }

    override fun close(): Unit = interpreter.close()

    /** Opens `.tflite` files. */
    public object Factory : EngineFactory {
        override val title: String = "LiteRT"

        override val format: ModelFormat = ModelFormat.TFLITE

        override fun open(model: ByteBuffer, threads: Int): Engine = translated {
            val options = Interpreter.Options().setNumThreads(threads).setUseXNNPACK(true)
            val interpreter = Interpreter(model, options)
            val count = if (threads == 1) "1 thread" else "$threads threads"
            try {
                LiteRtEngine(interpreter, "$title ${TensorFlowLite.runtimeVersion()}, $count")
            } catch (e: EngineException) {
                interpreter.close()
                throw e
            }
        }
    }
}

private fun spec(tensor: Tensor): TensorSpec {
    val type =
        when (val given = tensor.dataType()) {
            DataType.INT8 -> ElementType.INT8
            DataType.UINT8 -> ElementType.UINT8
            DataType.FLOAT32 -> ElementType.FLOAT32
            else ->
                throw EngineException(
                    "${tensor.name()} holds $given, expected int8, uint8 or float32"
                )
        }
    val quantisation = tensor.quantizationParams()
    return TensorSpec(
        name = tensor.name(),
        type = type,
        shape = tensor.shape().toList(),
        // A tensor that is not quantised has scale 0.
        quantisation =
            quantisation.scale.takeIf { it > 0 }?.let { Quantisation(it, quantisation.zeroPoint) },
    )
}

/** Runs [action]; what LiteRT throws, a missing native library included, comes out as ours. */
private inline fun <T> translated(action: () -> T): T =
    try {
        action()
    } catch (e: IllegalArgumentException) {
        throw EngineException(e.message ?: "LiteRT refused the request", e)
    } catch (e: IllegalStateException) {
        throw EngineException(e.message ?: "LiteRT failed", e)
    } catch (e: LinkageError) {
        throw EngineException("its native library cannot be loaded: ${e.message}", e)
    }
