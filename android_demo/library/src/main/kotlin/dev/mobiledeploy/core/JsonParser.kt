package dev.mobiledeploy.core

private const val MAX_DEPTH = 64
private const val MAX_CHARS = 1 shl 20
private val NUMBER = Regex("""-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?""")

/** Reads one JSON document. */
internal class JsonParser(private val text: String) {
    private var at = 0

    fun document(): Json {
        if (text.length > MAX_CHARS) {
            throw fail("expected at most $MAX_CHARS characters, received ${text.length}")
        }
        val value = value(0)
        skipSpace()
        if (at != text.length) throw fail("expected the end, received ${here()}")
        return value
    }

    private fun value(depth: Int): Json {
        if (depth > MAX_DEPTH) throw fail("nested deeper than $MAX_DEPTH")
        skipSpace()
        return when (peek()) {
            '{' -> obj(depth)
            '[' -> arr(depth)
            '"' -> Json.Text(string())
            't' -> word("true", Json.Bool(true))
            'f' -> word("false", Json.Bool(false))
            'n' -> word("null", Json.Null)
            else -> number()
        }
    }

    private fun obj(depth: Int): Json {
        val fields = LinkedHashMap<String, Json>()
        members('}') {
            if (peek() != '"') throw fail("expected a field's name, received ${here()}")
            val name = string()
            skipSpace()
            expect(':')
            if (fields.put(name, value(depth + 1)) != null) {
                throw fail("the field `${name.take(60)}` stands twice")
            }
        }
        return Json.Obj(fields)
    }

    private fun arr(depth: Int): Json {
        val items = ArrayList<Json>()
        members(']') { items.add(value(depth + 1)) }
        return Json.Arr(items)
    }

    /** Reads what stands between brackets, separated by commas. */
    private inline fun members(close: Char, member: () -> Unit) {
        at++
        skipSpace()
        if (peek() == close) {
            at++
            return
        }
        while (true) {
            skipSpace()
            member()
            skipSpace()
            if (peek() == close) {
                at++
                return
            }
            expect(',')
        }
    }

    private fun string(): String {
        val found = StringBuilder()
        at++
        while (true) {
            when (val char = next()) {
                '"' -> return found.toString()
                '\\' -> found.append(escape())
                else -> {
                    if (char < ' ') throw fail("a control character stands in a string")
                    found.append(char)
                }
            }
        }
    }

    private fun escape(): Char =
        when (val char = next()) {
            '"',
            '\\',
            '/' -> char
            'b' -> '\b'
            'f' -> '\u000c'
            'n' -> '\n'
            'r' -> '\r'
            't' -> '\t'
            'u' -> unicode()
            else -> throw fail("`\\$char` is no escape")
        }

    private fun unicode(): Char {
        var code = 0
        repeat(4) {
            val char = next()
            val digit = if (char < '\u0080') Character.digit(char, 16) else -1
            if (digit < 0) {
                throw fail("expected four hexadecimal digits after \\u, received `$char`")
            }
            code = code * 16 + digit
        }
        return code.toChar()
    }

    private fun number(): Json {
        val start = at
        while (at < text.length && text[at] in "+-.0123456789eE") at++
        val literal = text.substring(start, at)
        if (!NUMBER.matches(literal)) {
            at = start
            throw fail("expected a value, received ${here()}")
        }
        return Json.Num(literal)
    }

    private fun word(word: String, value: Json): Json {
        if (!text.startsWith(word, at)) throw fail("expected $word, received ${here()}")
        at += word.length
        return value
    }

    private fun expect(char: Char) {
        if (peek() != char) throw fail("expected `$char`, received ${here()}")
        at++
    }

    private fun skipSpace() {
        while (at < text.length && text[at] in " \t\r\n") at++
    }

    private fun peek(): Char = if (at < text.length) text[at] else END

    private fun next(): Char {
        if (at >= text.length) throw fail("the text ends inside a string")
        return text[at++]
    }

    private fun here(): String =
        if (at < text.length) "`${text.substring(at, minOf(at + 12, text.length))}`" else "the end"

    private fun fail(what: String) = ContractException("not JSON: character $at: $what")

    private companion object {
        /** Stands in no JSON text outside of strings. */
        const val END = '\u0000'
    }
}
