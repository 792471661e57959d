package dev.mobiledeploy.demo

import android.content.res.Resources

/**
 * What the screen says when something cannot be done: what happened, and what to do.
 *
 * @property title a string resource.
 * @property hint a string resource.
 * @property arguments of the hint.
 * @property engine the engine that the title names, if it names one.
 */
internal data class Problem(
    val title: Int,
    val hint: Int,
    val arguments: List<String> = emptyList(),
    val engine: String? = null,
) {
    fun title(resources: Resources): String =
        if (engine == null) resources.getString(title) else resources.getString(title, engine)

    fun hint(resources: Resources): String = resources.getString(hint, *arguments.toTypedArray())
}

/** Thrown on the worker, shown on the screen. */
internal class ProblemException(val problem: Problem, cause: Throwable? = null) : Exception(cause)

/** What the screen says of anything that a worker's task threw: nothing ends the app. */
internal fun problemOf(error: Throwable): Problem =
    when (error) {
        is ProblemException -> error.problem
        is NotFetchedException -> error.reason.problem()
        is OutOfMemoryError -> NotFetched.MEMORY.problem()
        else -> {
            val words = listOfNotNull(error.javaClass.simpleName, error.message)
            Problem(R.string.unexpected_title, R.string.unexpected_hint, listOf(words.joinToString(": ")))
        }
    }
