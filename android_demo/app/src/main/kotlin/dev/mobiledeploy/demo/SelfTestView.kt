package dev.mobiledeploy.demo

import android.view.LayoutInflater
import android.view.View
import android.view.ViewGroup
import android.widget.Button
import android.widget.ProgressBar
import android.widget.TextView
import dev.mobiledeploy.core.Contract
import dev.mobiledeploy.core.EngineVerdict
import dev.mobiledeploy.core.GoldenComparison
import dev.mobiledeploy.core.Verdict

/** Shows the self-test: what it is, that it runs, and its verdict engine by engine. */
internal class SelfTestView(private val root: View) {
    val run: Button = root.findViewById(R.id.run_self_test)
    val share: Button = root.findViewById(R.id.share)
    val cancel: Button = root.findViewById(R.id.cancel_self_test)
    private val progress: ProgressBar = root.findViewById(R.id.self_test_progress)
    private val headline: TextView = root.findViewById(R.id.verdict)
    private val rows: ViewGroup = root.findViewById(R.id.verdict_rows)
    private val device: TextView = root.findViewById(R.id.device)

    fun show(state: ScreenState) {
        val verdict = state.verdict
        val testing = state.testing
        run.isEnabled = state.contract != null && testing == null
        for (view in listOf(progress, cancel)) view.visibility = visibleIf(testing != null)
        run.visibility = visibleIf(testing == null)
        if (testing != null) {
            progress.max = maxOf(testing.total, 1)
            progress.progress = testing.done
        }
        headline.showText(
            if (testing == null) root.resources.getText(headlineOf(verdict)) else running(testing)
        )
        headline.setTextColor(colour(verdict))
        rows.removeAllViews()
        verdict?.engines?.forEach { rows.addView(row(it, verdict.contract)) }
        for (view in listOf(device, share)) view.visibility = visibleIf(verdict != null)
        if (verdict != null) device.text = deviceLine(verdict)
    }

    /** Says the engine only: a live region would read every number aloud. */
    private fun running(testing: TestProgress): String =
        if (testing.engine.isEmpty()) root.resources.getString(R.string.self_test_running)
        else root.resources.getString(R.string.self_test_running_on, testing.engine)

    private fun headlineOf(verdict: Verdict?): Int =
        when {
            verdict == null -> R.string.self_test_explained
            verdict.holds -> R.string.verdict_holds
            verdict.resizeHolds -> R.string.verdict_fails
            else -> R.string.verdict_resize_fails
        }

    private fun colour(verdict: Verdict?): Int =
        root.context.getColor(
            when (verdict?.holds) {
                null -> R.color.text_primary
                true -> R.color.good
                false -> R.color.bad
            }
        )

    private fun row(engine: EngineVerdict, contract: Contract): View {
        val row = LayoutInflater.from(root.context).inflate(R.layout.row_verdict, rows, false)
        val title = row.findViewById<TextView>(R.id.verdict_engine)
        title.text =
            root.resources.getString(
                if (engine.holds) R.string.engine_holds else R.string.engine_fails,
                engine.title,
            )
        title.setTextColor(root.context.getColor(if (engine.holds) R.color.good else R.color.bad))
        val comparison = engine.comparison
        // The reason of a failure is the finding itself, in the words that the report has.
        row.findViewById<TextView>(R.id.verdict_detail).text =
            if (engine.holds && comparison != null) praise(comparison, contract) else engine.reason
        return row
    }

    private fun praise(comparison: GoldenComparison, contract: Contract): String {
        val resources = root.resources
        val images =
            resources.getQuantityString(
                R.plurals.golden_images,
                comparison.images,
                comparison.images,
            )
        val time = resources.getString(R.string.median_time, "%.1f".format(comparison.medianMillis))
        // A float model has no grid to be exact on.
        val found = if (contract.tolerance == null) floats(comparison) else integers(comparison)
        return (listOf(images) + found + time).joinToString()
    }

    private fun integers(comparison: GoldenComparison): List<String> {
        val resources = root.resources
        val steps = comparison.maxScores.toInt()
        val scores =
            if (steps == 0) {
                resources.getString(R.string.scores_exact)
            } else {
                resources.getQuantityString(R.plurals.scores_within, steps, steps)
            }
        return listOf(resources.getString(R.string.logits_exact), scores)
    }

    private fun floats(comparison: GoldenComparison): List<String> =
        listOf(
            root.resources.getString(R.string.outputs_within, "%.0e".format(comparison.maxLogits))
        )

    private fun deviceLine(verdict: Verdict): String =
        verdict.device.run {
            root.resources.getString(
                R.string.device_line,
                get(Device.MANUFACTURER),
                get(Device.MODEL),
                get(Device.ANDROID),
                get(Device.SDK),
                get(Device.ABI),
                getValue(Device.PAGE_SIZE).toLong() / 1024,
            )
        }
}
