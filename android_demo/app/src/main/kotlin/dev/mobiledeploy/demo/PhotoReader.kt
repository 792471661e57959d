package dev.mobiledeploy.demo

import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.graphics.ColorSpace
import android.graphics.Matrix
import android.media.ExifInterface
import android.os.Build
import dev.mobiledeploy.core.Orientation
import java.io.File
import java.io.IOException
import java.util.Locale

/**
 * Decodes photos as `docs/preprocessing.md` of the toolchain says.
 *
 * @property freeBytes how much memory pixels may take, asked before each photo.
 */
internal class PhotoReader(private val freeBytes: () -> Long) {
    /**
     * Decodes every pixel: the exact answer needs them all, so a photo that does not fit in memory
     * is refused rather than read at half its size.
     *
     * @throws ProblemException it is damaged, truncated, of an unknown format, or too large.
     */
    fun read(file: File): Photo {
        val bounds = bounds(file)
        val pixels = bounds.outWidth.toLong() * bounds.outHeight
        val limit = minOf(LARGEST, freeBytes() / BYTES_PER_PIXEL)
        if (pixels > limit || maxOf(bounds.outWidth, bounds.outHeight) > LONGEST)
            throw tooLarge(pixels, limit)
        val options =
            BitmapFactory.Options().apply {
                inPreferredConfig = Bitmap.Config.ARGB_8888
                inPremultiplied = false
                inScaled = false
            }
        val bitmap =
            try {
                BitmapFactory.decodeFile(file.path, options)
            } catch (_: OutOfMemoryError) {
                throw tooLarge(pixels, limit)
            } ?: throw ProblemException(PhotoFile.UNREADABLE)
        return Photo(relabelled(bitmap), orientation(file))
    }

    /**
     * Decodes a small upright picture for the screen.
     *
     * @param side its longer side is less than twice this.
     * @throws ProblemException as [read].
     */
    fun preview(file: File, side: Int): Bitmap {
        val bounds = bounds(file)
        var step = 1
        while (maxOf(bounds.outWidth, bounds.outHeight) / step >= 2 * side) step *= 2
        val options = BitmapFactory.Options().apply { inSampleSize = step }
        val stored =
            BitmapFactory.decodeFile(file.path, options)
                ?: throw ProblemException(PhotoFile.UNREADABLE)
        val turn = matrix(orientation(file))
        if (turn.isIdentity) return stored
        return Bitmap.createBitmap(stored, 0, 0, stored.width, stored.height, turn, true)
    }

    /** Reads the size, of a file that has its end. */
    private fun bounds(file: File): BitmapFactory.Options {
        if (!wholeFile(file)) throw ProblemException(PhotoFile.UNREADABLE)
        val bounds = BitmapFactory.Options().apply { inJustDecodeBounds = true }
        BitmapFactory.decodeFile(file.path, bounds)
        if (bounds.outWidth <= 0 || bounds.outHeight <= 0)
            throw ProblemException(PhotoFile.UNREADABLE)
        return bounds
    }

    private fun wholeFile(file: File): Boolean =
        try {
            WholeFile.hasEnd(file)
        } catch (e: IOException) {
            throw ProblemException(PhotoFile.UNREADABLE, e)
        }

    private fun orientation(file: File): Orientation {
        val value =
            try {
                file.inputStream().use {
                    ExifInterface(it)
                        .getAttributeInt(ExifInterface.TAG_ORIENTATION, Orientation.UPRIGHT.exif)
                }
            } catch (_: IOException) {
                // No EXIF, or of a format in which this Android does not look for it: as if
                // upright.
                Orientation.UPRIGHT.exif
            }
        return Orientation.ofExif(value)
    }

    private fun matrix(orientation: Orientation): Matrix =
        Matrix().apply {
            if (orientation.transposed) setValues(floatArrayOf(0f, 1f, 0f, 1f, 0f, 0f, 0f, 0f, 1f))
            postScale(
                if (orientation.columnsReversed) -1f else 1f,
                if (orientation.rowsReversed) -1f else 1f,
            )
        }

    /**
     * Calls the colours sRGB without changing a byte: `Bitmap.getPixels` would convert them from
     * the photo's own colour space, and the toolchain applies no colour profiles.
     */
    private fun relabelled(bitmap: Bitmap): Bitmap {
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.Q) {
            bitmap.setColorSpace(ColorSpace.get(ColorSpace.Named.SRGB))
        }
        return bitmap
    }

    private fun tooLarge(pixels: Long, limit: Long): ProblemException =
        ProblemException(
            Problem(
                R.string.too_large_title,
                R.string.too_large_hint,
                listOf(megapixels(pixels), megapixels(limit)),
            )
        )

    private fun megapixels(pixels: Long): String =
        String.format(Locale.getDefault(), "%.1f", pixels / 1e6)

    private companion object {
        const val BYTES_PER_PIXEL = 4L

        /** The toolchain's own limits. */
        const val LARGEST = 134_217_728L
        const val LONGEST = 65_535
    }
}
