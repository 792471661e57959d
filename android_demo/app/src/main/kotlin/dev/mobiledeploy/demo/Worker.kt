package dev.mobiledeploy.demo

import android.graphics.Bitmap
import dev.mobiledeploy.android.AssetFiles
import dev.mobiledeploy.core.BundleException
import dev.mobiledeploy.core.Classifier
import dev.mobiledeploy.core.Contract
import dev.mobiledeploy.core.ContractException
import dev.mobiledeploy.core.CoreException
import dev.mobiledeploy.core.EngineException
import dev.mobiledeploy.core.EngineFactory
import dev.mobiledeploy.core.GoldenRunner
import dev.mobiledeploy.core.ImageException
import dev.mobiledeploy.core.ModelBundle
import dev.mobiledeploy.core.Orientation
import dev.mobiledeploy.core.PixelSource
import dev.mobiledeploy.core.TestCard
import dev.mobiledeploy.core.Verdict
import java.io.File

/**
 * The slow things: loading, classifying, testing. One thread at a time calls it.
 *
 * What can be foreseen comes out as a [ProblemException], in words for the screen.
 */
internal class Worker(
    private val assets: AssetFiles,
    private val engines: List<EngineFactory>,
    private val reader: PhotoReader,
) : AutoCloseable {
    private var bundle: ModelBundle? = null
    private var open: Pair<Choice, Classifier>? = null

    /** Reads the contract. */
    fun load(): Contract = bundle().contract

    /** The classes' names, after [load]. */
    fun labels(): List<String> = bundle().labels

    /** Decodes the photo in [file] for the screen. */
    fun preview(file: File): Bitmap = reader.preview(file, PREVIEW)

    /** Classifies the photo in [file] with the model that [choice] says. */
    fun classify(file: File, choice: Choice): Answer {
        classifier(choice) // Before the photo: its engine needs memory too.
        val photo = reader.read(file)
        try {
            return classify(photo.pixels, photo.orientation, choice)
        } finally {
            photo.recycle()
        }
    }

    /** Classifies pixels with the model that [choice] says. */
    fun classify(pixels: PixelSource, orientation: Orientation, choice: Choice): Answer {
        val classifier = classifier(choice)
        try {
            val classification = classifier.classify(pixels, orientation, MOST_ANSWERS)
            return Answer(classification, choice, classifier.title, bundle().contractSha256)
        } catch (e: ImageException) {
            throw ProblemException(PhotoFile.UNREADABLE, e)
        } catch (e: CoreException) {
            throw ProblemException(engineProblem(choice, e), e)
        }
    }

    /**
     * Classifies one photo with every engine of this flavour and each of some numbers of threads.
     *
     * @param go asked before each; false ends the work.
     * @return answers of which each tells the median time of [REPEATS] runs.
     */
    fun compare(file: File, threads: List<Int>, go: () -> Boolean): List<Answer> {
        val photo = reader.read(file)
        try {
            return engines.indices
                .asSequence()
                .flatMap { engine -> threads.map { Choice(engine, it) } }
                .takeWhile { go() }
                .map { choice ->
                    val runs =
                        List(REPEATS) { classify(photo.pixels, photo.orientation, choice) }
                    runs.sortedBy { it.classification.inferenceNanos }[REPEATS / 2]
                }
                .toList()
        } finally {
            photo.recycle()
        }
    }

    /**
     * Runs the golden vectors through every engine of this flavour.
     *
     * @param progress told before each image; what it throws ends the test.
     */
    fun selfTest(
        threads: Int,
        device: Map<String, String>,
        progress: (TestProgress) -> Unit = {},
    ): Verdict {
        val runner = GoldenRunner(bundle())
        val facts = device + ("threads" to threads.toString())
        try {
            return runner.run(engines, threads, facts) { engine, done, total ->
                progress(TestProgress(engine, done, total))
            }
        } catch (e: CoreException) {
            throw ProblemException(badModel(e), e)
        }
    }

    override fun close() {
        open?.second?.close()
        open = null
    }

    private fun bundle(): ModelBundle {
        bundle?.let {
            return it
        }
        if (assets.isEmpty())
            throw ProblemException(Problem(R.string.no_model_title, R.string.no_model_hint))
        try {
            return ModelBundle.open(assets).also { bundle = it }
        } catch (e: CoreException) {
            throw ProblemException(badModel(e), e)
        }
    }

    /** Opens a model once for all photos, until another engine or number of threads is chosen. */
    private fun classifier(choice: Choice): Classifier {
        open?.let { (opened, classifier) -> if (opened == choice) return classifier }
        close()
        try {
            val classifier = Classifier.open(bundle(), engines[choice.engine], choice.threads)
            open = choice to classifier
            classifier.classify(TestCard()) // Runtimes do their last preparations in the first run.
            return classifier
        } catch (e: CoreException) {
            close()
            throw ProblemException(engineProblem(choice, e), e)
        }
    }

    private fun engineProblem(choice: Choice, error: CoreException): Problem =
        when (error) {
            is BundleException,
            is ContractException -> badModel(error)
            is EngineException ->
                Problem(
                    R.string.engine_title,
                    R.string.engine_hint,
                    listOf(error.message),
                    engine = engines[choice.engine].title,
                )
            else -> badModel(error)
        }

    private fun badModel(error: CoreException): Problem =
        Problem(R.string.bad_model_title, R.string.bad_model_hint, listOf(error.message))

    private companion object {
        /** Pixels of the preview's longer side: enough for every phone's screen. */
        const val PREVIEW = 1024

        /** As many as the screen can show. */
        const val MOST_ANSWERS = 10

        /** Odd, so that one is the median. */
        const val REPEATS = 5
    }
}
