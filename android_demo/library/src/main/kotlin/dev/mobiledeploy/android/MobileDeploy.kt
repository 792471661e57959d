package dev.mobiledeploy.android

import android.content.Context
import android.graphics.Bitmap
import android.media.Image
import dev.mobiledeploy.core.BundleException
import dev.mobiledeploy.core.Classification
import dev.mobiledeploy.core.Classifier
import dev.mobiledeploy.core.Contract
import dev.mobiledeploy.core.ContractException
import dev.mobiledeploy.core.EngineException
import dev.mobiledeploy.core.EngineFactory
import dev.mobiledeploy.core.GoldenException
import dev.mobiledeploy.core.GoldenRunner
import dev.mobiledeploy.core.ImageException
import dev.mobiledeploy.core.ModelBundle
import dev.mobiledeploy.core.ModelMismatchException
import dev.mobiledeploy.core.Orientation
import dev.mobiledeploy.core.PixelSource
import dev.mobiledeploy.core.Verdict
import dev.mobiledeploy.engines.linkedEngines

/**
 * The model that `mobiledeploy bundle` put among this app's assets, ready to be asked.
 *
 *     val model = MobileDeploy.open(context)
 *     val best = model.classify(bitmap, rotationDegrees).best.first()
 *
 * Open and ask it on a background thread. Several threads may share it: they wait for each other.
 */
public class MobileDeploy
private constructor(
    private val bundle: ModelBundle,
    private val engine: EngineFactory,
    private val threads: Int,
    private val classifier: Classifier,
) : AutoCloseable {
    /** Runtime, version and threads, for people. */
    public val title: String
        get() = classifier.title

    /** What the model takes and gives. */
    public val contract: Contract
        get() = bundle.contract

    /** The classes' names, in the order of the output. */
    public val labels: List<String>
        get() = bundle.labels

    /**
     * Says what a photo shows.
     *
     * @param bitmap in memory; see [pixels].
     * @param rotationDegrees by how much it must be turned clockwise to be upright: a multiple of
     *   90.
     * @param count how many of the likeliest classes to name.
     * @throws ImageException the photo or the rotation cannot be used.
     * @throws EngineException the runtime failed.
     */
    @JvmOverloads
    public fun classify(
        bitmap: Bitmap,
        rotationDegrees: Int = 0,
        count: Int = COUNT,
    ): Classification = classify(bitmap.pixels(), Orientation.ofRotation(rotationDegrees), count)

    /**
     * Says what a camera's image shows, of Camera2 or of CameraX (`imageProxy.image`).
     *
     * @param image in YUV_420_888; the caller closes it.
     * @param rotationDegrees as above: `imageProxy.imageInfo.rotationDegrees` of CameraX, or what
     *   `SENSOR_ORIENTATION` and the display's rotation give.
     * @param count as above.
     * @throws ImageException the image or the rotation cannot be used.
     * @throws EngineException the runtime failed.
     */
    @JvmOverloads
    public fun classify(
        image: Image,
        rotationDegrees: Int = 0,
        count: Int = COUNT,
    ): Classification = classify(image.pixels(), Orientation.ofRotation(rotationDegrees), count)

    /**
     * Says what pixels of any source show.
     *
     * @param orientation how the camera was held, such as [Orientation.ofExif] of a file.
     */
    @Synchronized
    @JvmOverloads
    public fun classify(
        photo: PixelSource,
        orientation: Orientation,
        count: Int = COUNT,
    ): Classification = classifier.classify(photo, orientation, count)

    /**
     * Runs the golden vectors on this phone: whether it computes what was built.
     *
     * @throws BundleException the golden vectors are missing: `bundle --no-golden` leaves them out.
     * @throws GoldenException they are damaged or belong to another model.
     */
    @Synchronized
    public fun selfTest(): Verdict =
        GoldenRunner(bundle).run(listOf(engine), threads, mapOf("threads" to threads.toString()))

    /** Frees the runtime's memory. */
    @Synchronized override fun close(): Unit = classifier.close()

    public companion object {
        private const val COUNT = 5
        private const val THREADS = 2

        /**
         * Opens the model.
         *
         * @param engine the runtime: `LiteRtEngine.Factory` or `OrtEngine.Factory`. By default the
         *   first of the two that the app holds and whose model is among the assets.
         * @param threads how many one inference may use, at least 1.
         * @param folder of the assets.
         * @throws ContractException the contract is damaged or of another version.
         * @throws BundleException an asset is missing, or not the one that was built.
         * @throws ModelMismatchException the model is not the one that the contract describes.
         * @throws EngineException the app holds no runtime, or the runtime refuses the model.
         */
        @JvmStatic
        @JvmOverloads
        public fun open(
            context: Context,
            engine: EngineFactory? = null,
            threads: Int = THREADS,
            folder: String = AssetFiles.FOLDER,
        ): MobileDeploy {
            val assets = AssetFiles(context.assets, folder)
            val bundle = ModelBundle.open(assets)
            val chosen = engine ?: chosen(assets)
            return MobileDeploy(bundle, chosen, threads, Classifier.open(bundle, chosen, threads))
        }

        private fun chosen(assets: AssetFiles): EngineFactory {
            val linked = linkedEngines()
            if (linked.isEmpty()) {
                throw EngineException(
                    "the app holds no runtime: add the dependency " +
                        "`com.google.ai.edge.litert:litert` or " +
                        "`com.microsoft.onnxruntime:onnxruntime-android`"
                )
            }
            return linked.firstOrNull { assets.holds(it.format.file) }
                ?: throw BundleException(
                    linked.joinToString(
                        prefix = "expected among the app's assets ",
                        separator = " or ",
                        postfix = ": run `mobiledeploy bundle` with this `--engine`",
                    ) {
                        "${it.format.file} for ${it.title}"
                    }
                )
        }
    }
}
