package dev.mobiledeploy.core

import java.io.FileNotFoundException
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.util.Base64

/** Assets, models and runtimes that stand in memory. */
internal object Fakes {
    private val shared = Shared.read("verdicts.json")
    val labels: String = shared["labels"].text

    /** Small bundles with what an engine answers, by name. */
    val cases: Map<String, FakeCase> =
        shared["verdicts"].items.associate { it["what"].text to FakeCase(it, shared["models"]) }

    fun case(what: String): FakeCase = cases.getValue(what)

    fun contract(): Contract = case("all equal").contract
}

/** A bundle of `verdicts.json`. */
internal class FakeCase(private val json: Json, private val models: Json) {
    val contractText = json["contract"].write()
    val contract = Contract.parse(contractText)
    val expected = json["verdict"]
    val format = ModelFormat.values().first { it.file == json["file"].text }
    val npz: ByteArray = Base64.getDecoder().decode(json["npz"].text)
    val logits = json["logits"].items.map { it.doubles }
    val scores = json["scores"].items.map { it.doubles }

    val assets: Map<String, ByteArray> =
        mapOf(
            "contract.json" to contractText.toByteArray(),
            "labels.txt" to Fakes.labels.toByteArray(),
            "golden.npz" to npz,
            "model.tflite" to models["model.tflite"].text.toByteArray(),
            "model.onnx" to models["model.onnx"].text.toByteArray(),
        )

    fun bundle(changes: Map<String, ByteArray?> = emptyMap()): ModelBundle =
        ModelBundle.open(source(changes))

    fun source(changes: Map<String, ByteArray?> = emptyMap()): AssetSource {
        val held = assets + changes
        return AssetSource { name ->
            ByteBuffer.wrap(held[name] ?: throw FileNotFoundException(name))
        }
    }
}

/** A runtime that answers to the golden images what a case says, and to others nothing. */
internal class FakeFactory(
    private val case: FakeCase,
    private val change: (FakeEngine) -> Engine = { it },
) : EngineFactory {
    val opened = ArrayList<String>()
    var open = 0
    override val title = "fake runtime"
    override val format = case.format

    override fun open(model: ByteBuffer, threads: Int): Engine {
        check(model.isDirect && model.order() == ByteOrder.nativeOrder() && model.position() == 0)
        val text = String(ByteArray(model.limit()) { model.get(it) })
        opened.add(text)
        open++
        return change(
            FakeEngine(
                case,
                tapped = text != String(case.assets.getValue(format.file)),
                onClose = { open-- },
            )
        )
    }
}

/** What [FakeFactory] opens. */
internal class FakeEngine(
    private val case: FakeCase,
    private val tapped: Boolean,
    private val onClose: () -> Unit = {},
) : Engine {
    private val contract = case.contract
    private val inputs =
        Golden.read(ByteBuffer.wrap(case.npz), contract).images.map {
            sha256Of(Preprocessor(contract).input(it))
        }
    override val title = "fake"
    override val input = spec("image", contract.input)
    override val outputs =
        listOfNotNull(
            spec("scores", contract.output),
            contract
                .tap(case.format)
                ?.takeIf { tapped }
                ?.let { spec(it.output, Tensor(it.type, contract.output.shape, contract.logits)) },
        )

    override fun run(input: ByteBuffer): List<ByteBuffer> {
        check(input.isDirect && input.order() == ByteOrder.nativeOrder() && input.position() == 0)
        val image = inputs.indexOf(sha256Of(input))
        check(image >= 0) { "no golden image was encoded like this" }
        return listOf(
                contract.output to case.scores[image],
                Tensor(outputs.last().type, contract.output.shape, contract.logits) to
                    case.logits[image],
            )
            .take(outputs.size)
            .map { (tensor, values) -> encode(tensor, values) }
    }

    override fun close(): Unit = onClose()

    private fun spec(name: String, tensor: Tensor): TensorSpec {
        val grid = tensor.grid?.takeIf { tensor.type != ElementType.FLOAT32 }
        val shift = if (tensor.type == ElementType.UINT8) 128 else 0
        return TensorSpec(
            name,
            tensor.type,
            tensor.shape,
            grid?.let { Quantisation(it.scale.toFloat(), it.zeroPoint + shift) },
        )
    }

    private fun encode(tensor: Tensor, values: DoubleArray): ByteBuffer {
        val buffer =
            ByteBuffer.allocateDirect(values.size * tensor.type.bytes)
                .order(ByteOrder.nativeOrder())
        values.forEachIndexed { index, value ->
            when (tensor.type) {
                ElementType.INT8 -> buffer.put(index, value.toInt().toByte())
                ElementType.UINT8 -> buffer.put(index, (value.toInt() + 128).toByte())
                ElementType.FLOAT32 ->
                    buffer.putFloat(
                        4 * index,
                        (tensor.grid?.let { (value - it.zeroPoint) * it.scale } ?: value).toFloat(),
                    )
            }
        }
        return buffer
    }
}
