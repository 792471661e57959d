package dev.mobiledeploy.core

import java.nio.ByteBuffer

/**
 * Runs the golden images through engines and judges what comes out.
 *
 * A model that ends in a softmax runs twice: as it is, and as a tapped copy that also gives out its
 * logits. The copy must give the scores of the file, else it says nothing about it.
 */
public class GoldenRunner(private val bundle: ModelBundle) {
    private val contract = bundle.contract

    /**
     * Judges this device.
     *
     * An engine that fails makes a verdict that does not hold; it does not keep others from
     * running.
     *
     * @param factories one an engine.
     * @param threads how many one inference may use, at least 1.
     * @param device facts about the device, for the verdict.
     * @param progress told before every inference: the engine's title, done and total inferences.
     * @throws BundleException the golden vectors are missing.
     * @throws GoldenException they are damaged, do not fit, or would prove nothing.
     */
    public fun run(
        factories: List<EngineFactory>,
        threads: Int,
        device: Map<String, String>,
        progress: (engine: String, done: Int, total: Int) -> Unit = { _, _, _ -> },
    ): Verdict {
        val golden = bundle.golden()
        return Verdict(
            contract = contract,
            contractSha256 = bundle.contractSha256,
            device = device,
            resizeHolds = contract.resizeHolds(),
            engines = factories.map { judge(it, threads, golden, progress) },
        )
    }

    private fun judge(
        factory: EngineFactory,
        threads: Int,
        golden: Golden,
        progress: (String, Int, Int) -> Unit,
    ): EngineVerdict =
        try {
            val runs = runs(factory, threads, golden, progress)
            runs.verdict(factory.format, golden)
        } catch (error: CoreException) {
            EngineVerdict(factory.title, factory.format, false, error.message, comparison = null)
        }

    private fun runs(
        factory: EngineFactory,
        threads: Int,
        golden: Golden,
        progress: (String, Int, Int) -> Unit,
    ): Runs {
        val format = factory.format
        val inputs = golden.images.map(Preprocessor(contract)::input)
        val tap = contract.tap(format)
        val total = inputs.size * if (tap == null) 1 else 2
        val plain =
            CheckedEngine.open(factory, bundle.model(format), threads, contract).use { engine ->
                Runs.of(engine, inputs) { progress(engine.title, it, total) }
            }
        val model = bundle.tappedModel(format) ?: return plain
        val tapped =
            CheckedEngine.open(factory, model, threads, contract, tap).use { engine ->
                Runs.of(engine, inputs) { progress(engine.title, inputs.size + it, total) }
            }
        val changed =
            inputs.indices.firstOrNull { !tapped.scores(it).contentEquals(plain.scores(it)) }
        if (changed != null) {
            throw EngineException(
                "${plain.title}: the copy that gives out logits computes other scores than the " +
                    "file; on ${golden.names[changed]}"
            )
        }
        return Runs(plain.title, tapped.outputs, plain.medianMillis)
    }

    private fun Runs.verdict(format: ModelFormat, golden: Golden): EngineVerdict {
        val answers = golden.names.mapIndexed { i, name -> ImageAnswer(name, logits(i), scores(i)) }
        val comparison = compare(golden, answers, medianMillis, contract)
        val failures = comparison.failures(contract.tolerance)
        return EngineVerdict(
            title = title,
            format = format,
            holds = failures.isEmpty(),
            reason = failures.joinToString("; ").ifEmpty { comparison.praise(contract.tolerance) },
            comparison = comparison,
        )
    }
}

/** What a model gave for each image: its output, and behind it the logits if it is tapped. */
private class Runs(
    val title: String,
    val outputs: List<List<DoubleArray>>,
    val medianMillis: Double,
) {
    fun scores(image: Int): DoubleArray = outputs[image].first()

    fun logits(image: Int): DoubleArray = outputs[image].last()

    companion object {
        fun of(engine: CheckedEngine, inputs: List<ByteBuffer>, before: (Int) -> Unit): Runs {
            val nanos = LongArray(inputs.size)
            val outputs =
                inputs.mapIndexed { image, input ->
                    before(image)
                    val start = System.nanoTime()
                    engine.run(input).also { nanos[image] = System.nanoTime() - start }
                }
            return Runs(engine.title, outputs, nanos.sorted()[nanos.size / 2] / 1e6)
        }
    }
}
