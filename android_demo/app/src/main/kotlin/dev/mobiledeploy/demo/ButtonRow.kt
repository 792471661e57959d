package dev.mobiledeploy.demo

import android.content.Context
import android.util.AttributeSet
import android.view.View
import android.widget.RadioGroup
import android.widget.TextView

/**
 * Buttons side by side, all of one width; one below the other where a word would not fit into its
 * button: with large text, in long languages, on small phones.
 */
internal class ButtonRow(context: Context, attributes: AttributeSet?) :
    RadioGroup(context, attributes) {
    override fun onMeasure(widthSpec: Int, heightSpec: Int) {
        val buttons = List(childCount, ::getChildAt).filter { it.visibility != View.GONE }
        val gaps = gap * maxOf(buttons.size - 1, 0)
        val room = (MeasureSpec.getSize(widthSpec) - gaps) / maxOf(buttons.size, 1)
        arrange(buttons, stacked = buttons.any { needed(it) > room })
        super.onMeasure(widthSpec, heightSpec)
    }

    private fun arrange(buttons: List<View>, stacked: Boolean) {
        orientation = if (stacked) VERTICAL else HORIZONTAL
        buttons.forEachIndexed { index, button ->
            val place = button.layoutParams as LayoutParams
            place.width = if (stacked) LayoutParams.MATCH_PARENT else 0
            place.weight = if (stacked) 0f else 1f
            place.height = if (stacked) LayoutParams.WRAP_CONTENT else LayoutParams.MATCH_PARENT
            val last = index == buttons.lastIndex
            place.marginEnd = if (stacked || last) 0 else gap
            place.bottomMargin = if (stacked && !last) gap else 0
            place.resolveLayoutDirection(layoutDirection) // Else the end would not count yet.
        }
    }

    /** The width of the longest word, with what is around it. */
    private fun needed(button: View): Int {
        if (button !is TextView) return 0
        val words = button.text.split(' ', '\n')
        val widest = words.maxOfOrNull { button.paint.measureText(it) } ?: 0f
        return widest.toInt() + 1 + button.compoundPaddingLeft + button.compoundPaddingRight
    }

    private val gap: Int
        get() = resources.getDimensionPixelSize(R.dimen.gap_small)
}
