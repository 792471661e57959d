package dev.mobiledeploy.core

import java.nio.ByteBuffer
import java.nio.ByteOrder

/**
 * The five assets that `mobiledeploy bundle` puts into an app.
 *
 * @property contract what the models expect and give.
 * @property labels the classes' names, in the order of the output.
 * @property contractSha256 of `contract.json`, 64 hexadecimal digits.
 */
public class ModelBundle
private constructor(
    public val contract: Contract,
    public val labels: List<String>,
    public val contractSha256: String,
    private val source: AssetSource,
) {
    /**
     * Returns a model after checking its size and SHA-256.
     *
     * @return the file, direct, native byte order, from index 0 to the limit.
     * @throws BundleException it is missing, or is not the one that was built.
     */
    public fun model(format: ModelFormat): ByteBuffer = model(format, ByteArray(0))

    /**
     * Returns a copy of a model that also gives out what its softmax is computed from, or null
     * where its output is the logits already.
     *
     * @throws BundleException the model is missing, or is not the one that was built.
     */
    public fun tappedModel(format: ModelFormat): ByteBuffer? {
        val tap = contract.tap(format) ?: return null
        val model = model(format, fromHex(tap.append))
        tap.patch?.let { patch ->
            fromHex(patch.bytes).forEachIndexed { index, byte ->
                model.put(patch.offset + index, byte)
            }
        }
        return model
    }

    /**
     * Reads the golden vectors.
     *
     * @throws BundleException they are missing.
     * @throws GoldenException they are damaged, do not fit, or would prove nothing.
     */
    public fun golden(): Golden = Golden.read(source.asset(GOLDEN), contract)

    private fun model(format: ModelFormat, tail: ByteArray): ByteBuffer {
        val file = contract.files.first { it.format == format }
        val bytes = source.asset(format.file)
        requireBuilt(format.file, bytes, file.size, file.sha256)
        val model = ByteBuffer.allocateDirect(file.size + tail.size).order(ByteOrder.nativeOrder())
        model.put(bytes.duplicate()).put(tail)
        rewind(model)
        return model
    }

    public companion object {
        private const val CONTRACT = "contract.json"
        private const val GOLDEN = "golden.npz"

        /**
         * Opens a bundle: reads the contract and the labels. Models and golden vectors are read and
         * checked when they are asked for.
         *
         * @throws ContractException the contract is damaged or of another format.
         * @throws BundleException an asset is missing, or the labels are not those that were built.
         */
        public fun open(source: AssetSource): ModelBundle {
            val json = source.asset(CONTRACT)
            val contract = Contract.parse(json.utf8(CONTRACT))
            val text = source.asset(LABELS)
            val labels = labels(text.utf8(LABELS), contract)
            requireBuilt(LABELS, text, contract.labels.size, contract.labels.sha256)
            return ModelBundle(contract, labels, sha256Of(json), source)
        }

        private fun labels(text: String, contract: Contract): List<String> {
            val labels = text.removeSuffix("\n").split('\n')
            if (labels.size != contract.classes) {
                throw BundleException(
                    "$LABELS: expected ${contract.classes} labels by the contract, " +
                        "received ${labels.size}"
                )
            }
            labels.indexOfFirst(String::isBlank).let {
                if (it >= 0) throw BundleException("$LABELS: line ${it + 1} is empty")
            }
            if (labels.toSet().size != labels.size) {
                throw BundleException("$LABELS: a class is named twice")
            }
            return labels
        }
    }
}

private fun requireBuilt(name: String, bytes: ByteBuffer, size: Int, sha256: String) {
    if (bytes.remaining() != size) {
        throw BundleException(
            "$name: expected $size bytes by the contract, received ${bytes.remaining()}: " +
                "not the file that was built"
        )
    }
    val digest = sha256Of(bytes)
    if (digest != sha256) {
        throw BundleException(
            "$name: expected SHA-256 $sha256 by the contract, received $digest: " +
                "not the file that was built"
        )
    }
}
