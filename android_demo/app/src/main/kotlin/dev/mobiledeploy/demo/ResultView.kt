package dev.mobiledeploy.demo

import android.view.LayoutInflater
import android.view.View
import android.view.ViewGroup
import android.widget.ProgressBar
import android.widget.TextView
import dev.mobiledeploy.core.Guess
import dev.mobiledeploy.core.Task
import java.text.NumberFormat
import java.util.Locale
import kotlin.math.roundToInt

/** Shows the best answers as rows with bars, and how long they took. */
internal class ResultView(private val root: View, private val engines: List<String>) {
    private val status: TextView = root.findViewById(R.id.status)
    private val rows: ViewGroup = root.findViewById(R.id.rows)
    private val latency: TextView = root.findViewById(R.id.latency)
    private val percent = NumberFormat.getPercentInstance().apply { minimumFractionDigits = 1 }
    private val number = NumberFormat.getNumberInstance()
    private var scores = true

    fun show(state: ScreenState) {
        scores = state.contract?.task != Task.REGRESSION
        val answer = state.answer
        status.showText(
            when {
                state.working -> text(R.string.working)
                answer == null -> text(R.string.no_result)
                else -> answer.classification.best.first().label
            },
            spoken = answer?.classification?.best?.first()?.let(::description),
        )
        status.setTextAppearance(if (answer == null) R.style.Text_Body else R.style.Text_Answer)
        rows.removeAllViews()
        answer?.classification?.best?.forEachIndexed { rank, guess ->
            rows.addView(row(rank, guess))
        }
        latency.visibility = if (answer == null) View.GONE else View.VISIBLE
        if (answer != null) latency.text = latencyOf(answer)
    }

    private fun description(guess: Guess): String =
        text(R.string.row_description, guess.label, shown(guess))

    private fun shown(guess: Guess): String =
        (if (scores) percent else number).format(guess.score)

    private fun row(rank: Int, guess: Guess): View {
        val row = LayoutInflater.from(root.context).inflate(R.layout.row_score, rows, false)
        row.findViewById<TextView>(R.id.label).text = guess.label
        row.findViewById<TextView>(R.id.score).text = shown(guess)
        row.contentDescription = description(guess)
        val bar = row.findViewById<ProgressBar>(R.id.bar)
        if (rank == 0) bar.progressDrawable = root.context.getDrawable(R.drawable.bar_first)
        bar.visibility = if (scores) View.VISIBLE else View.INVISIBLE
        if (scores) bar.progress = (guess.score * bar.max).roundToInt()
        return row
    }

    private fun latencyOf(answer: Answer): String {
        val threads = answer.choice.threads
        return text(
            R.string.latency,
            engines[answer.choice.engine],
            root.resources.getQuantityString(R.plurals.thread_count, threads, threads),
            millis(answer.classification.inferenceNanos),
            millis(answer.classification.preprocessingNanos),
        )
    }

    private fun millis(nanos: Long): String =
        String.format(Locale.getDefault(), "%.1f", nanos / 1e6)

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
