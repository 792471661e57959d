package dev.mobiledeploy.demo

import android.view.LayoutInflater
import android.widget.RadioButton
import android.widget.RadioGroup

/** A row of buttons of which one is pressed; TalkBack reads them as radio buttons. */
internal class Segments(
    private val group: RadioGroup,
    titles: List<String>,
    descriptions: List<String>,
    chosen: (index: Int) -> Unit,
) {
    private val buttons: List<RadioButton> =
        titles.zip(descriptions).mapIndexed { index, (title, description) ->
            val button =
                LayoutInflater.from(group.context).inflate(R.layout.segment, group, false)
                    as RadioButton
            button.id = index + 1
            button.text = title
            button.contentDescription = description
            button.isSaveEnabled = false // The session knows; the ids are of this group only.
            button.setOnClickListener { chosen(index) }
            group.addView(button)
            button
        }

    /** Presses a button, without telling anyone. */
    fun press(index: Int) = buttons[index].run { isChecked = true }
}
