package dev.mobiledeploy.engines

import ai.onnxruntime.NodeInfo
import ai.onnxruntime.OnnxJavaType
import ai.onnxruntime.OnnxTensor
import ai.onnxruntime.OrtEnvironment
import ai.onnxruntime.OrtException
import ai.onnxruntime.OrtSession
import ai.onnxruntime.TensorInfo
import dev.mobiledeploy.core.ElementType
import dev.mobiledeploy.core.Engine
import dev.mobiledeploy.core.EngineException
import dev.mobiledeploy.core.EngineFactory
import dev.mobiledeploy.core.ModelFormat
import dev.mobiledeploy.core.TensorSpec
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** ONNX Runtime on the CPU. */
public class OrtEngine
private constructor(
    private val environment: OrtEnvironment,
    private val session: OrtSession,
    override val title: String,
) : Engine {
    override val input: TensorSpec = session.inputInfo.values.first().spec()

    override val outputs: List<TensorSpec> = session.outputInfo.values.map { it.spec() }

    private val shape: LongArray =
        input.shape.map { size -> if (size < 0) 1L else size.toLong() }.toLongArray()

    private var closed = false

    override fun run(input: ByteBuffer): List<ByteBuffer> {
        input.rewind()
        val image = input.slice().order(ByteOrder.nativeOrder())
        return translated {
            tensor(image).use { tensor ->
                session.run(mapOf(this.input.name to tensor)).use { result ->
                    // Copies: the runtime's own memory goes with the result.
                    result.map { (_, value) ->
                        (value as OnnxTensor).byteBuffer.order(ByteOrder.nativeOrder())
                    }
                }
            }
        }
    }

    private fun tensor(image: ByteBuffer): OnnxTensor =
        when (input.type) {
            ElementType.INT8 ->
                OnnxTensor.createTensor(environment, image, shape, OnnxJavaType.INT8)
            ElementType.UINT8 ->
                OnnxTensor.createTensor(environment, image, shape, OnnxJavaType.UINT8)
            ElementType.FLOAT32 ->
                OnnxTensor.createTensor(environment, image.asFloatBuffer(), shape)
        }

    override fun close() {
        if (closed) return // the session itself refuses to be closed twice
        closed = true
        translated { session.close() }
    }

    /** Opens `.onnx` files. */
    public object Factory : EngineFactory {
        override val title: String = "ONNX Runtime"

        override val format: ModelFormat = ModelFormat.ONNX

        override fun open(model: ByteBuffer, threads: Int): Engine = translated {
            val environment = OrtEnvironment.getEnvironment()
            environment.setTelemetry(false) // Nobody is told what this app does.
            val session =
                OrtSession.SessionOptions().use { options ->
                    options.setIntraOpNumThreads(threads)
                    // x86 without VNNI, as emulators may have, would saturate sums: arm64 ignores it.
                    options.addConfigEntry("session.x64quantprecision", "1")
                    environment.createSession(model, options)
                }
            val count = if (threads == 1) "1 thread" else "$threads threads"
            try {
                OrtEngine(environment, session, "$title ${environment.version}, $count")
            } catch (e: EngineException) {
                session.close()
                throw e
            }
        }
    }
}

private fun NodeInfo.spec(): TensorSpec {
    val tensor =
        info as? TensorInfo
            ?: throw EngineException("$name is a ${info::class.simpleName}, no tensor")
    val type =
        when (tensor.type) {
            OnnxJavaType.INT8 -> ElementType.INT8
            OnnxJavaType.UINT8 -> ElementType.UINT8
            OnnxJavaType.FLOAT -> ElementType.FLOAT32
            else ->
                throw EngineException("$name holds ${tensor.type}, expected int8, uint8 or float32")
        }
    return TensorSpec(name = name, type = type, shape = tensor.shape.map { it.toInt() })
}

/**
 * Runs [action]; what ONNX Runtime throws, a missing native library included, comes out as ours.
 */
private inline fun <T> translated(action: () -> T): T =
    try {
        action()
    } catch (e: OrtException) {
        throw EngineException(e.message ?: "ONNX Runtime failed", e)
    } catch (e: IllegalStateException) {
        throw EngineException(e.message ?: "ONNX Runtime failed", e)
    } catch (e: LinkageError) {
        throw EngineException("its native library cannot be loaded: ${e.message}", e)
    }
