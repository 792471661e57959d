package dev.mobiledeploy.ci;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.io.File;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.Test;
import org.tensorflow.lite.DataType;
import org.tensorflow.lite.Interpreter;
import org.tensorflow.lite.Tensor;
import org.tensorflow.lite.TensorFlowLite;

/**
 * The AAR's {@code Interpreter} on the shim: what an app may call gives what LiteRT gives in Python.
 *
 * <p>The folder {@code mobiledeploy.vectors} holds an int8 model ending in a softmax, a copy with its
 * logits as second output, inputs and what Python's LiteRT answers to them.
 */
public class InterpreterTest {
    private static final Path FOLDER = Path.of(System.getProperty("mobiledeploy.vectors"));
    private static final int SIDE = 32;
    private static final int IMAGE = SIDE * SIDE * 3;
    private static final int CLASSES = 10;
    private static final int IMAGES = 16;

    private static byte[] file(String name) throws IOException {
        return Files.readAllBytes(FOLDER.resolve(name));
    }

    private static ByteBuffer direct(byte[] bytes) {
        ByteBuffer buffer = ByteBuffer.allocateDirect(bytes.length).order(ByteOrder.nativeOrder());
        buffer.put(bytes).rewind();
        return buffer;
    }

    private static byte[] part(byte[] bytes, int size, int index) {
        return java.util.Arrays.copyOfRange(bytes, size * index, size * (index + 1));
    }

    private static Interpreter open(String name, boolean xnnpack) throws IOException {
        return new Interpreter(
                direct(file(name)),
                new Interpreter.Options().setNumThreads(2).setUseXNNPACK(xnnpack));
    }

    @Test
    public void saysWhichLibraryItIs() {
        assertEquals("2.19.0", TensorFlowLite.runtimeVersion());
        assertEquals("3", TensorFlowLite.schemaVersion());
    }

    @Test
    public void describesTensors() throws IOException {
        try (Interpreter interpreter = open("tapped.tflite", true)) {
            assertEquals(1, interpreter.getInputTensorCount());
            assertEquals(2, interpreter.getOutputTensorCount());
            Tensor input = interpreter.getInputTensor(0);
            assertEquals("input", input.name());
            assertEquals(DataType.INT8, input.dataType());
            assertArrayEquals(new int[] {1, SIDE, SIDE, 3}, input.shape());
            assertEquals(IMAGE, input.numBytes());
            assertEquals(1 / 128f, input.quantizationParams().getScale(), 0);
            assertEquals(0, input.quantizationParams().getZeroPoint());
            Tensor scores = interpreter.getOutputTensor(0);
            assertArrayEquals(new int[] {1, CLASSES}, scores.shape());
            assertEquals(1 / 256f, scores.quantizationParams().getScale(), 0);
            assertEquals(-128, scores.quantizationParams().getZeroPoint());
            assertEquals("logits", interpreter.getOutputTensor(1).name());
            assertEquals(0, interpreter.getInputIndex("input"));
            assertEquals(1, interpreter.getOutputIndex("logits"));
        }
    }

    @Test
    public void givesSeveralOutputsOfBuffers() throws IOException {
        try (Interpreter interpreter = open("tapped.tflite", true)) {
            for (int i = 0; i < IMAGES; i++) {
                ByteBuffer scores = direct(new byte[CLASSES]);
                ByteBuffer logits = direct(new byte[CLASSES]);
                Object[] inputs = {direct(part(file("inputs"), IMAGE, i))};
                interpreter.runForMultipleInputsOutputs(inputs, Map.of(0, scores, 1, logits));
                assertArrayEquals(part(file("scores"), CLASSES, i), bytes(scores));
                assertArrayEquals(part(file("logits"), CLASSES, i), bytes(logits));
            }
        }
    }

    @Test
    public void readsAndWritesArrays() throws IOException {
        try (Interpreter interpreter = open("model.tflite", true)) {
            byte[] image = part(file("inputs"), IMAGE, 0);
            byte[][][][] input = new byte[1][SIDE][SIDE][3];
            for (int k = 0; k < IMAGE; k++) input[0][k / (3 * SIDE)][k / 3 % SIDE][k % 3] = image[k];
            byte[][] output = new byte[1][CLASSES];
            interpreter.run(input, output);
            assertArrayEquals(part(file("scores"), CLASSES, 0), output[0]);
        }
    }

    @Test
    public void takesABatch() throws IOException {
        try (Interpreter interpreter = open("model.tflite", true)) {
            interpreter.resizeInput(0, new int[] {IMAGES, SIDE, SIDE, 3});
            interpreter.allocateTensors();
            assertArrayEquals(new int[] {IMAGES, CLASSES}, interpreter.getOutputTensor(0).shape());
            ByteBuffer scores = direct(new byte[IMAGES * CLASSES]);
            interpreter.run(direct(file("inputs")), scores);
            assertArrayEquals(file("scores"), bytes(scores));
        }
    }

    @Test
    public void opensAFile() throws IOException {
        File model = FOLDER.resolve("model.tflite").toFile();
        try (Interpreter interpreter = new Interpreter(model, new Interpreter.Options())) {
            ByteBuffer scores = direct(new byte[CLASSES]);
            interpreter.run(direct(part(file("inputs"), IMAGE, 0)), scores);
            assertArrayEquals(part(file("scores"), CLASSES, 0), bytes(scores));
        }
    }

    /** So XNNPACK is really on in the other tests: these kernels round otherwise. */
    @Test
    public void withoutXnnpackGivesWhatTheBuiltinKernelsGive() throws IOException {
        boolean differs = false;
        try (Interpreter interpreter = open("tapped.tflite", false)) {
            for (int i = 0; i < IMAGES; i++) {
                ByteBuffer logits = direct(new byte[CLASSES]);
                Object[] inputs = {direct(part(file("inputs"), IMAGE, i))};
                interpreter.runForMultipleInputsOutputs(inputs, Map.of(1, logits));
                byte[] found = bytes(logits);
                assertArrayEquals(part(file("builtin"), CLASSES, i), found);
                differs |= !java.util.Arrays.equals(part(file("logits"), CLASSES, i), found);
            }
        }
        assertTrue("both kernels give the same on every image: the test tells nothing", differs);
    }

    @Test
    public void refusesWhatIsNoModel() {
        IllegalArgumentException error =
                assertThrows(
                        IllegalArgumentException.class,
                        () -> new Interpreter(direct(new byte[64]), new Interpreter.Options()));
        assertFalse(error.getMessage().isEmpty());
    }

    @Test
    public void refusesAnInputOfAnotherSize() throws IOException {
        try (Interpreter interpreter = open("model.tflite", true)) {
            assertThrows(
                    IllegalArgumentException.class,
                    () -> interpreter.run(direct(new byte[IMAGE - 1]), direct(new byte[CLASSES])));
        }
    }

    @Test
    public void doesNotPretendWhatItHasNot() throws IOException {
        Interpreter.Options options = new Interpreter.Options().setCancellable(true);
        ByteBuffer model = direct(file("model.tflite"));
        assertThrows(UnsatisfiedLinkError.class, () -> new Interpreter(model, options));
    }

    private static byte[] bytes(ByteBuffer buffer) {
        buffer.rewind();
        byte[] bytes = new byte[buffer.remaining()];
        buffer.get(bytes);
        return bytes;
    }
}
