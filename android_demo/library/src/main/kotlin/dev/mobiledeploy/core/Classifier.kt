package dev.mobiledeploy.core

/** A model with its labels, ready to be asked. Not safe for use by two threads at a time. */
public class Classifier
private constructor(private val bundle: ModelBundle, private val engine: CheckedEngine) :
    AutoCloseable {
    private val contract = bundle.contract
    private val preprocessor = Preprocessor(contract)

    /** Runtime, version and kernels, for people. */
    public val title: String
        get() = engine.title

    /**
     * Says what a photo shows.
     *
     * @param photo as stored.
     * @param orientation how the camera was held.
     * @param count how many of the likeliest classes to name.
     * @throws ImageException the photo is empty or too large.
     * @throws EngineException the runtime failed.
     * @throws ModelMismatchException the outputs are not those of the contract.
     */
    public fun classify(
        photo: PixelSource,
        orientation: Orientation = Orientation.UPRIGHT,
        count: Int = 5,
    ): Classification {
        val start = System.nanoTime()
        val input = preprocessor.input(preprocessor.pixels(photo, orientation))
        val ready = System.nanoTime()
        val answer = engine.run(input).first()
        val done = System.nanoTime()
        return Classification(best(answer, count), ready - start, done - ready)
    }

    override fun close(): Unit = engine.close()

    private fun best(answer: DoubleArray, count: Int): List<Guess> {
        val values = contract.output.grid?.dequantise(answer) ?: answer
        return bestAnswers(values, contract, count).map { (index, score) ->
            Guess(index, bundle.labels[index], score)
        }
    }

    public companion object {
        /**
         * Opens a bundle's model.
         *
         * @param threads how many one inference may use, at least 1.
         * @throws BundleException the model is missing or not the one that was built.
         * @throws ModelMismatchException the model is not the one that the contract describes.
         * @throws EngineException the runtime refuses the file.
         */
        public fun open(bundle: ModelBundle, factory: EngineFactory, threads: Int): Classifier {
            val model = bundle.model(factory.format)
            return Classifier(bundle, CheckedEngine.open(factory, model, threads, bundle.contract))
        }
    }
}
