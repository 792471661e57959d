package dev.mobiledeploy.demo

import android.content.res.Resources
import android.graphics.BitmapFactory
import android.graphics.Rect
import android.view.LayoutInflater
import android.view.Surface
import android.view.View
import android.view.ViewGroup
import android.widget.Button
import android.widget.ImageButton
import android.widget.ImageView
import android.widget.TextView
import dev.mobiledeploy.core.Contract
import dev.mobiledeploy.core.EngineFactory
import java.text.NumberFormat

/** The views, and how they show a state. */
internal class Screen(
    private val root: View,
    engines: List<EngineFactory>,
    private val sampled: (id: Int) -> Unit,
    shown: (change: (Display) -> Display) -> Unit,
    chosen: (change: (Choice) -> Choice) -> Unit,
) {
    val live: Button = root.findViewById(R.id.live)
    val camera: CameraView = root.findViewById(R.id.camera)
    val about: View = root.findViewById(R.id.about)
    private val crop: CropView = root.findViewById(R.id.crop)
    private val samples: ViewGroup = root.findViewById(R.id.samples)
    private val noPhotoText: TextView = root.findViewById(R.id.no_photo_text)
    val choose: Button = root.findViewById(R.id.choose)
    val take: Button = root.findViewById(R.id.take)
    val cancel: Button = root.findViewById(R.id.cancel)
    val selfTest = SelfTestView(root)
    val result = ResultView(root, engines.map { it.title })
    private val model: TextView = root.findViewById(R.id.model)
    private val problem: View = root.findViewById(R.id.problem)
    private val problemTitle: TextView = root.findViewById(R.id.problem_title)
    private val problemHint: TextView = root.findViewById(R.id.problem_hint)
    private val photo: ImageView = root.findViewById(R.id.photo)
    private val noPhoto: View = root.findViewById(R.id.no_photo)
    private val engineSegments: Segments
    private val threadSegments: Segments
    private val countSegments: Segments
    private val thresholdSegments: Segments

    init {
        val titles = engines.map { it.title }
        engineSegments =
            Segments(root.findViewById(R.id.engines), titles, titles) { index ->
                chosen { it.copy(engine = index) }
            }
        threadSegments =
            Segments(
                root.findViewById(R.id.threads),
                THREADS.map { it.toString() },
                THREADS.map { root.resources.getQuantityString(R.plurals.thread_count, it, it) },
            ) { index ->
                chosen { it.copy(threads = THREADS[index]) }
            }
        val counts = COUNTS.map { it.toString() }
        countSegments =
            Segments(root.findViewById(R.id.counts), counts, counts) { index ->
                shown { it.copy(count = COUNTS[index]) }
            }
        val thresholds = THRESHOLDS.map(NumberFormat.getPercentInstance()::format)
        thresholdSegments =
            Segments(root.findViewById(R.id.thresholds), thresholds, thresholds) { index ->
                shown { it.copy(threshold = THRESHOLDS[index]) }
            }
        val selfTestBlock = root.findViewById<View>(R.id.self_test_block)
        root.findViewById<View>(R.id.find_self_test).setOnClickListener {
            val whole = Rect(0, 0, selfTestBlock.width, selfTestBlock.height)
            selfTestBlock.requestRectangleOnScreen(whole, true)
        }
    }

    fun show(state: ScreenState) {
        model.text = modelLine(state)
        model.visibility = visibleIf(state.contract != null || state.problem == null)
        showProblem(state.problem)
        photo.setImageBitmap(state.preview)
        val filming = state.live != null
        photo.visibility = visibleIf(state.preview != null && !filming)
        noPhoto.visibility = visibleIf(state.preview == null && !filming)
        for (view in listOf(camera, crop)) view.visibility = visibleIf(filming)
        crop.show(state.contract?.preprocessing, camera.upright)
        live.setText(if (filming) R.string.hold else R.string.live)
        showSamples(state.samples)
        cancel.visibility = visibleIf(state.fetching)
        // Without a model that takes photos there is nothing to ask about one.
        val photos = state.contract?.preprocessing != null
        for (button in listOf(live, choose, take)) button.isEnabled = photos
        engineSegments.press(state.choice.engine)
        threadSegments.press(THREADS.indexOf(state.choice.threads))
        countSegments.press(COUNTS.indexOf(state.display.count))
        thresholdSegments.press(THRESHOLDS.indexOf(state.display.threshold))
        result.show(state)
        selfTest.show(state)
    }

    /** Makes the live picture ready for frames of a size. */
    fun preview(size: FrameSize, upright: FrameSize): Surface {
        camera.upright = upright
        camera.holder.setFixedSize(size.width, size.height)
        return camera.holder.surface
    }

    private fun showSamples(ids: List<Int>) {
        if (samples.childCount == ids.size) return
        samples.removeAllViews()
        noPhotoText.setText(
            if (ids.isEmpty()) R.string.no_photo else R.string.no_photo_but_samples
        )
        ids.forEachIndexed { index, id ->
            val button =
                LayoutInflater.from(root.context).inflate(R.layout.sample, samples, false)
                    as ImageButton
            button.setImageBitmap(BitmapFactory.decodeResource(root.resources, id))
            button.contentDescription =
                root.resources.getString(R.string.sample_description, index + 1)
            button.setOnClickListener { sampled(id) }
            samples.addView(button)
        }
    }

    private fun modelLine(state: ScreenState): String {
        val resources = root.resources
        val contract = state.contract ?: return resources.getString(R.string.loading_model)
        return resources.getString(
            R.string.model_line,
            contract.name,
            resources.getQuantityString(R.plurals.classes, contract.classes, contract.classes),
            inputSize(contract),
        )
    }

    private fun inputSize(contract: Contract): String {
        val resources = root.resources
        val seen = contract.preprocessing
        if (seen == null) {
            val count = contract.input.shape.fold(1, Int::times)
            return resources.getQuantityString(R.plurals.values, count, count)
        }
        val square = seen.width == seen.height
        val size = if (square) "${seen.width}" else "${seen.width} × ${seen.height}"
        return resources.getString(R.string.pixels, size)
    }

    private fun showProblem(shown: Problem?) {
        problem.visibility = visibleIf(shown != null)
        if (shown == null) return
        val resources: Resources = root.resources
        problemTitle.showText(shown.title(resources))
        problemHint.showText(shown.hint(resources))
    }

    companion object {
        /** Numbers of threads to choose from. */
        val THREADS = listOf(1, 2, 4)

        /** Numbers of answers to choose from. */
        val COUNTS = listOf(1, 3, 5, 10)

        /** Lowest scores to choose from. */
        val THRESHOLDS = listOf(0.0, 0.1, 0.5)
    }
}

internal fun visibleIf(condition: Boolean): Int = if (condition) View.VISIBLE else View.GONE
