package dev.mobiledeploy.demo

import android.content.Context
import android.graphics.Canvas
import android.graphics.Paint
import android.util.AttributeSet
import android.view.SurfaceView
import android.view.View
import dev.mobiledeploy.core.Crop
import dev.mobiledeploy.core.Preprocessing

/**
 * The live picture, as large as it fits without being distorted.
 *
 * Android turns what a camera draws on a [SurfaceView] upright; the view needs the upright
 * proportions only.
 */
internal class CameraView(context: Context, attributes: AttributeSet?) :
    SurfaceView(context, attributes) {
    /** The size of an upright frame; before it is known, the view fills its place. */
    var upright: FrameSize? = null
        set(value) {
            if (field == value) return
            field = value
            requestLayout()
        }

    override fun onMeasure(widthSpec: Int, heightSpec: Int) {
        val width = MeasureSpec.getSize(widthSpec)
        val height = MeasureSpec.getSize(heightSpec)
        val frame = upright ?: FrameSize(maxOf(width, 1), maxOf(height, 1))
        val fitted = fitted(frame, width, height)
        setMeasuredDimension(fitted.width, fitted.height)
    }
}

/** The largest size with the proportions of [frame] in [width] x [height]. */
internal fun fitted(frame: FrameSize, width: Int, height: Int): FrameSize =
    if (width.toLong() * frame.height <= height.toLong() * frame.width)
        FrameSize(width, (width.toLong() * frame.height / frame.width).toInt())
    else FrameSize((height.toLong() * frame.width / frame.height).toInt(), height)

/** Marks the part of the live picture that the network sees. */
internal class CropView(context: Context, attributes: AttributeSet?) : View(context, attributes) {
    private val line =
        Paint().apply {
            style = Paint.Style.STROKE
            strokeWidth = 2 * resources.displayMetrics.density
            color = context.getColor(R.color.crop_line)
        }
    private var wanted: Preprocessing? = null
    private var upright: FrameSize? = null

    fun show(wanted: Preprocessing?, upright: FrameSize?) {
        if (wanted == this.wanted && upright == this.upright) return
        this.wanted = wanted
        this.upright = upright
        invalidate()
    }

    override fun onDraw(canvas: Canvas) {
        val wanted = wanted ?: return
        val frame = fitted(upright ?: return, width, height)
        val seen =
            if (wanted.crop == Crop.STRETCH) frame
            else fitted(FrameSize(wanted.width, wanted.height), frame.width, frame.height)
        val left = (width - seen.width) / 2f
        val top = (height - seen.height) / 2f
        val half = line.strokeWidth / 2
        canvas.drawRect(
            left + half,
            top + half,
            left + seen.width - half,
            top + seen.height - half,
            line,
        )
    }
}
