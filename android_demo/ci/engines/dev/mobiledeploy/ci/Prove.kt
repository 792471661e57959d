package dev.mobiledeploy.ci

import dev.mobiledeploy.core.ArgbPixels
import dev.mobiledeploy.core.AssetSource
import dev.mobiledeploy.core.Classifier
import dev.mobiledeploy.core.CoreException
import dev.mobiledeploy.core.GoldenRunner
import dev.mobiledeploy.core.ModelBundle
import dev.mobiledeploy.core.Orientation
import dev.mobiledeploy.core.PixelSource
import dev.mobiledeploy.engines.LiteRtEngine
import dev.mobiledeploy.engines.OrtEngine
import java.io.File
import java.nio.ByteBuffer

private const val THREADS = 2
private val ENGINES = listOf(LiteRtEngine.Factory, OrtEngine.Factory)

/** A photo as Python decoded and stored it: see [readPhoto]. */
private class Photo(
    val name: String,
    val pixels: PixelSource,
    val orientation: Orientation,
)

/**
 * Does with bundles what the app does, with the app's own classes, and prints what came out.
 *
 * Arguments: a folder of photos, then folders of assets. A line is a kind and fields, separated by
 * tabs; the kinds are `bundle FOLDER`, which opens what follows, `verdict JSON`, `guess ENGINE PHOTO
 * RANK INDEX LABEL SCORE` and `refused WHAT MESSAGE`.
 */
public fun main(args: Array<String>) {
    val photos = File(args.first()).listFiles().orEmpty().filter { it.extension == "argb" }.sorted().map(::readPhoto)
    for (folder in args.drop(1)) {
        say("bundle", folder)
        orRefused("bundle") {
            val bundle = ModelBundle.open(AssetSource { ByteBuffer.wrap(File(folder, it).readBytes()) })
            orRefused("golden") { say("verdict", GoldenRunner(bundle).run(ENGINES, THREADS, emptyMap()).toJson()) }
            if (photos.isNotEmpty()) classify(bundle, photos)
        }
    }
}

private fun classify(
    bundle: ModelBundle,
    photos: List<Photo>,
) {
    for (factory in ENGINES) {
        orRefused(factory.title) {
            Classifier.open(bundle, factory, THREADS).use { classifier ->
                for (photo in photos) {
                    classifier.classify(photo.pixels, photo.orientation).best.forEachIndexed { rank, guess ->
                        say("guess", factory.title, photo.name, rank, guess.index, guess.label, guess.score)
                    }
                }
            }
        }
    }
}

/** Reads width, height and EXIF orientation, then `0xAARRGGBB` row by row: all big-endian int32. */
private fun readPhoto(file: File): Photo {
    val ints = ByteBuffer.wrap(file.readBytes()).asIntBuffer()
    val (width, height, orientation) = List(3) { ints.get() }
    val argb = IntArray(ints.remaining()).also(ints::get)
    return Photo(file.nameWithoutExtension, ArgbPixels(width, height, argb), Orientation.ofExif(orientation))
}

private inline fun orRefused(
    what: String,
    action: () -> Unit,
) {
    try {
        action()
    } catch (error: CoreException) {
        say("refused", what, "${error::class.simpleName}: ${error.message}")
    }
}

private fun say(
    vararg fields: Any,
) = println(fields.joinToString("\t") { it.toString().replace('\n', ' ') })
