package dev.mobiledeploy.demo

import android.content.res.Resources
import android.view.View
import android.widget.Button
import android.widget.ImageView
import android.widget.TextView
import dev.mobiledeploy.core.Contract
import dev.mobiledeploy.core.EngineFactory

/** The views, and how they show a state. */
internal class Screen(
    private val root: View,
    engines: List<EngineFactory>,
    chosen: (change: (Choice) -> Choice) -> Unit,
) {
    val choose: Button = root.findViewById(R.id.choose)
    val take: Button = root.findViewById(R.id.take)
    val selfTest = SelfTestView(root)
    private val result = ResultView(root, engines.map { it.title })
    private val model: TextView = root.findViewById(R.id.model)
    private val problem: View = root.findViewById(R.id.problem)
    private val problemTitle: TextView = root.findViewById(R.id.problem_title)
    private val problemHint: TextView = root.findViewById(R.id.problem_hint)
    private val photo: ImageView = root.findViewById(R.id.photo)
    private val noPhoto: View = root.findViewById(R.id.no_photo)
    private val engineSegments: Segments
    private val threadSegments: Segments

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
    }

    fun show(state: ScreenState) {
        model.text = modelLine(state)
        model.visibility = visibleIf(state.contract != null || state.problem == null)
        showProblem(state.problem)
        photo.setImageBitmap(state.preview)
        photo.visibility = visibleIf(state.preview != null)
        noPhoto.visibility = visibleIf(state.preview == null)
        // Without a model that takes photos there is nothing to ask about one.
        val photos = state.contract?.preprocessing != null
        for (button in listOf(choose, take)) button.isEnabled = photos
        engineSegments.press(state.choice.engine)
        threadSegments.press(THREADS.indexOf(state.choice.threads))
        result.show(state)
        selfTest.show(state)
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

    private fun visibleIf(condition: Boolean): Int = if (condition) View.VISIBLE else View.GONE

    companion object {
        /** Numbers of threads to choose from. */
        val THREADS = listOf(1, 2, 4)
    }
}
