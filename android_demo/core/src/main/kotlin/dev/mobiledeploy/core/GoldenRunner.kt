package dev.mobiledeploy.core

/**
 * Runs the golden images through engines and judges what comes out.
 *
 * A model that ends in a softmax runs twice: as it is, and as a tapped copy that also gives out its
 * logits. The copy must give the scores of the file, else it says nothing about it.
 */
public class GoldenRunner(
    private val bundle: ModelBundle,
) {
    private val contract = bundle.contract

    /**
     * Judges this device.
     *
     * An engine that fails makes a verdict that does not hold; it does not keep others from running.
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
            answer(factory, threads, golden, progress).verdict(factory.format, golden)
        } catch (error: CoreException) {
            EngineVerdict(factory.title, factory.format, holds = false, reason = error.message, comparison = null)
        }

    private class Answered(
        val title: String,
        val answers: List<ImageAnswer>,
        val medianMillis: Double,
    )

    private fun answer(
        factory: EngineFactory,
        threads: Int,
        golden: Golden,
        progress: (String, Int, Int) -> Unit,
    ): Answered {
        val inputs = golden.images.map(Preprocessor(contract)::input)
        val tapped = bundle.tappedModel(factory.format)
        val total = inputs.size * if (tapped == null) 1 else 2
        val nanos = LongArray(inputs.size)
        lateinit var title: String
        val plain =
            CheckedEngine.open(factory, bundle.model(factory.format), threads, contract).use { engine ->
                title = engine.title
                inputs.mapIndexed { index, input ->
                    progress(title, index, total)
                    val start = System.nanoTime()
                    engine.run(input).first().also { nanos[index] = System.nanoTime() - start }
                }
            }
        val outputs =
            if (tapped == null) {
                plain.map { listOf(it, it) }
            } else {
                CheckedEngine.open(factory, tapped, threads, contract, contract.tap(factory.format)).use { engine ->
                    inputs.mapIndexed { index, input ->
                        progress(title, inputs.size + index, total)
                        engine.run(input)
                    }
                }
            }
        val answers =
            golden.names.mapIndexed { index, name ->
                val (scores, logits) = outputs[index]
                if (!scores.contentEquals(plain[index])) {
                    throw EngineException("$title: the copy that gives out logits computes other scores than the file; on $name")
                }
                ImageAnswer(name, logits, scores)
            }
        return Answered(title, answers, nanos.sorted()[nanos.size / 2] / 1e6)
    }

    private fun Answered.verdict(
        format: ModelFormat,
        golden: Golden,
    ): EngineVerdict {
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
