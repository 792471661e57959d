package dev.mobiledeploy.demo

import android.view.LayoutInflater
import android.view.View
import android.view.ViewGroup
import android.widget.Button
import android.widget.ProgressBar
import android.widget.TextView
import dev.mobiledeploy.core.FrameRate
import dev.mobiledeploy.core.Guess
import dev.mobiledeploy.core.Task
import java.text.NumberFormat
import java.util.Locale
import kotlin.math.roundToInt

/** Shows the best answer large, the others as rows with bars, and how long they took. */
internal class ResultView(private val root: View, private val engines: List<String>) {
    val copy: Button = root.findViewById(R.id.copy_result)
    val share: Button = root.findViewById(R.id.share_result)
    val compare: Button = root.findViewById(R.id.compare)
    private val actions: View = root.findViewById(R.id.result_actions)
    private val status: TextView = root.findViewById(R.id.status)
    private val winnerScore: TextView = root.findViewById(R.id.winner_score)
    private val winnerBar: ProgressBar = root.findViewById(R.id.winner_bar)
    private val rows: ViewGroup = root.findViewById(R.id.rows)
    private val latency: TextView = root.findViewById(R.id.latency)
    private val comparison: ViewGroup = root.findViewById(R.id.comparison)
    private val percent = NumberFormat.getPercentInstance().apply { minimumFractionDigits = 1 }
    private val number = NumberFormat.getNumberInstance()
    private var scores = true

    fun show(state: ScreenState) {
        scores = state.contract?.task != Task.REGRESSION
        val answer = state.answer.takeIf { !state.fetching }
        val best = answer?.let { state.display.of(it.classification.best, scores) }.orEmpty()
        val winner = best.firstOrNull()
        // Twenty answers a second are not to be read aloud.
        status.accessibilityLiveRegion =
            if (state.live == null) View.ACCESSIBILITY_LIVE_REGION_POLITE
            else View.ACCESSIBILITY_LIVE_REGION_NONE
        status.setTextAppearance(if (winner == null) R.style.Text_Body else R.style.Text_Answer)
        status.showText(headline(state, answer, winner), spoken = winner?.let(::description))
        winnerScore.visibility = visibleIf(winner != null)
        winnerBar.visibility = visibleIf(winner != null && scores)
        if (winner != null) {
            winnerScore.text = shown(winner)
            if (scores) winnerBar.progress = (winner.score * winnerBar.max).roundToInt()
        }
        showRows(best.drop(1))
        latency.visibility = visibleIf(answer != null)
        if (answer != null) {
            latency.text = state.live?.rate?.let { rateOf(answer, it) } ?: latencyOf(answer)
        }
        val still = answer != null && state.live == null
        for (view in listOf(actions, compare)) view.visibility = visibleIf(still)
        compare.isEnabled = !state.comparing
        compare.setText(if (state.comparing) R.string.comparing else R.string.compare)
        showComparison(if (still) state.comparison else emptyList())
    }

    private fun headline(state: ScreenState, answer: Answer?, winner: Guess?): String =
        when {
            state.fetching -> text(R.string.fetching)
            state.working -> text(R.string.working)
            answer == null && state.live != null -> text(R.string.working)
            answer == null -> text(R.string.no_result)
            winner == null -> text(R.string.below_threshold, whole(state.display.threshold))
            else -> winner.label
        }

    /** Rows are used again: a live picture changes them many times a second. */
    private fun showRows(guesses: List<Guess>) {
        while (rows.childCount > guesses.size) rows.removeViewAt(rows.childCount - 1)
        while (rows.childCount < guesses.size) {
            LayoutInflater.from(root.context).inflate(R.layout.row_score, rows, true)
        }
        guesses.forEachIndexed { index, guess -> showRow(rows.getChildAt(index), guess) }
    }

    private fun showRow(row: View, guess: Guess) {
        row.findViewById<TextView>(R.id.label).text = guess.label
        row.findViewById<TextView>(R.id.score).text = shown(guess)
        row.contentDescription = description(guess)
        val bar = row.findViewById<ProgressBar>(R.id.bar)
        bar.visibility = if (scores) View.VISIBLE else View.INVISIBLE
        if (scores) bar.progress = (guess.score * bar.max).roundToInt()
    }

    private fun showComparison(answers: List<Answer>) {
        comparison.removeAllViews()
        for (answer in answers) {
            val row =
                LayoutInflater.from(root.context).inflate(R.layout.row_compared, comparison, false)
            val first = answer.classification.best.first()
            row.findViewById<TextView>(R.id.compared_engine).text =
                text(R.string.way_to_run, engines[answer.choice.engine], threads(answer.choice))
            row.findViewById<TextView>(R.id.compared_answer).text =
                text(
                    R.string.compared,
                    first.label,
                    shown(first),
                    millis(answer.classification.inferenceNanos / 1e6),
                )
            comparison.addView(row)
        }
    }

    private fun description(guess: Guess): String =
        text(R.string.row_description, guess.label, shown(guess))

    private fun shown(guess: Guess): String =
        (if (scores) percent else number).format(guess.score)

    private fun whole(part: Double): String = NumberFormat.getPercentInstance().format(part)

    private fun threads(choice: Choice): String =
        root.resources.getQuantityString(R.plurals.thread_count, choice.threads, choice.threads)

    private fun latencyOf(answer: Answer): String =
        text(
            R.string.latency,
            engines[answer.choice.engine],
            threads(answer.choice),
            millis(answer.classification.inferenceNanos / 1e6),
            millis(answer.classification.preprocessingNanos / 1e6),
        )

    private fun rateOf(answer: Answer, rate: FrameRate): String =
        text(
            R.string.rate,
            engines[answer.choice.engine],
            threads(answer.choice),
            millis(rate.perSecond),
            millis(rate.medianMillis),
            millis(rate.p90Millis),
        )

    private fun millis(value: Double): String = String.format(Locale.getDefault(), "%.1f", value)

    private fun text(id: Int, vararg arguments: Any): String =
        root.resources.getString(id, *arguments)
}

/**
 * Sets a text, and what is read aloud for it, only if it changes: a live region would say it again.
 */
internal fun TextView.showText(text: CharSequence, spoken: CharSequence? = null) {
    if (this.text.toString() == text.toString() && contentDescription == spoken) return
    contentDescription = spoken
    this.text = text
}
