import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.runner.Description;
import org.junit.runner.JUnitCore;
import org.junit.runner.notification.Failure;
import org.junit.runner.notification.RunListener;

/**
 * Runs JUnit 4 classes and writes what happened, one event a line, tab-separated:
 * {@code started|finished|failed|ignored|assumed CLASS METHOD [TRACE]}, and {@code end} last.
 *
 * <p>A file without {@code end} is that of a JVM that died. Tests may print what they like: the
 * events do not share their output. Usage: {@code RunTests EVENTS CLASS...}
 */
public final class RunTests extends RunListener {
    private final PrintWriter events;

    private RunTests(PrintWriter events) {
        this.events = events;
    }

    public static void main(String[] args) throws Exception {
        List<Class<?>> classes = new ArrayList<>();
        for (int i = 1; i < args.length; i++) classes.add(Class.forName(args[i]));
        try (PrintWriter events = open(Path.of(args[0]))) {
            JUnitCore core = new JUnitCore();
            core.addListener(new RunTests(events));
            core.run(classes.toArray(new Class<?>[0]));
            events.println("end");
        }
        System.exit(0); // a runtime's threads may outlive the tests
    }

    private static PrintWriter open(Path path) throws IOException {
        return new PrintWriter(Files.newBufferedWriter(path, StandardCharsets.UTF_8), true);
    }

    private void event(String kind, Description test, String trace) {
        String line = kind + "\t" + test.getClassName() + "\t" + test.getMethodName() + "\t" + trace;
        events.println(line.replace("\\", "\\\\").replace("\r", "").replace("\n", "\\n"));
        if (events.checkError()) throw new IllegalStateException("cannot write the events");
    }

    @Override
    public void testStarted(Description test) {
        event("started", test, "");
    }

    @Override
    public void testFinished(Description test) {
        event("finished", test, "");
    }

    @Override
    public void testIgnored(Description test) {
        event("ignored", test, "");
    }

    @Override
    public void testFailure(Failure failure) {
        event("failed", failure.getDescription(), failure.getTrace());
    }

    @Override
    public void testAssumptionFailure(Failure failure) {
        event("assumed", failure.getDescription(), failure.getMessage());
    }
}
