package dev.mobiledeploy.demo

import dev.mobiledeploy.core.Task
import java.util.Locale

/**
 * The answer as text to be copied or shared, with all that is needed to ask for the same again;
 * null where there is none. In English and with decimal points, as the verdict is.
 *
 * @param app this app's name and version.
 * @param device facts about the phone, by name.
 */
internal fun resultText(state: ScreenState, app: String, device: Map<String, String>): String? {
    val answer = state.answer ?: return null
    val contract = state.contract ?: return null
    val scores = contract.task != Task.REGRESSION
    val lines = ArrayList<String>()
    for (guess in state.display.of(answer.classification.best, scores)) lines +=
        if (scores) String.format(Locale.ROOT, "%s %.2f%%", guess.label, 100 * guess.score)
        else "${guess.label} ${guess.score}"
    lines += "model: ${contract.name}, contract ${answer.contractSha256}"
    lines += "engine: ${answer.engine}"
    lines +=
        String.format(
            Locale.ROOT,
            "time: %.2f ms for the model, %.2f ms for preparing the photo",
            answer.classification.inferenceNanos / 1e6,
            answer.classification.preprocessingNanos / 1e6,
        )
    lines += "app: $app"
    lines += "device: " + device.entries.joinToString { (name, value) -> "$name $value" }
    return lines.joinToString("\n")
}
