import com.android.apksig.ApkSigner.Builder;
import com.android.apksig.ApkSigner.SignerConfig;
import com.android.apksig.ApkVerifier;
import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * Signs an APK, and verifies one, with Android's own library.
 *
 * <p>{@code sign IN OUT KEYSTORE MIN_SDK [ALIAS]} reads two lines from standard input: the password
 * of the keystore and that of the key. {@code verify APK MIN_SDK} prints a line for each scheme and
 * certificate. What goes wrong is said in lines that begin with {@code error:}.
 */
final class ApkSigner {
    public static void main(String[] args) throws Exception {
        try {
            if (args[0].equals("sign")) {
                sign(args);
            } else {
                verify(new File(args[1]), Integer.parseInt(args[2]));
            }
        } catch (Refused refused) {
            System.err.println("error: " + refused.getMessage());
            System.exit(1);
        }
    }

    private static void sign(String[] args) throws Exception {
        BufferedReader in =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        char[] storePassword = in.readLine().toCharArray();
        char[] keyPassword = in.readLine().toCharArray();
        KeyStore store = open(new File(args[3]), storePassword);
        String alias = args.length > 5 ? args[5] : onlyKey(store);
        PrivateKey key;
        try {
            key = (PrivateKey) store.getKey(alias, keyPassword);
        } catch (java.security.UnrecoverableKeyException e) {
            throw new Refused("the password of the key `" + alias + "` is wrong");
        }
        if (key == null) {
            throw new Refused("the keystore holds no key `" + alias + "`, it holds " + keys(store));
        }
        List<X509Certificate> chain = new ArrayList<>();
        for (java.security.cert.Certificate certificate : store.getCertificateChain(alias)) {
            chain.add((X509Certificate) certificate);
        }
        SignerConfig signer = new SignerConfig.Builder("CERT", key, chain).build();
        new Builder(Collections.singletonList(signer))
                .setInputApk(new File(args[1]))
                .setOutputApk(new File(args[2]))
                .setMinSdkVersion(Integer.parseInt(args[4]))
                .setV1SigningEnabled(false)
                .setV2SigningEnabled(true)
                .setV3SigningEnabled(true)
                .setV4SigningEnabled(false)
                .setAlignmentPreserved(true)
                .build()
                .sign();
    }

    private static KeyStore open(File file, char[] password) throws Exception {
        try {
            return KeyStore.getInstance(file, password);
        } catch (java.io.IOException e) {
            boolean wrong = e.getCause() instanceof java.security.UnrecoverableKeyException;
            throw new Refused(
                    wrong ? "the password of the keystore is wrong" : "it cannot be read: " + e.getMessage());
        } catch (java.security.KeyStoreException e) {
            throw new Refused("it is no keystore");
        }
    }

    private static String onlyKey(KeyStore store) throws Exception {
        List<String> keys = keys(store);
        if (keys.size() != 1) {
            throw new Refused("expected a keystore with one key, it holds " + keys);
        }
        return keys.get(0);
    }

    private static List<String> keys(KeyStore store) throws Exception {
        List<String> keys = new ArrayList<>();
        for (String alias : Collections.list(store.aliases())) {
            if (store.isKeyEntry(alias)) {
                keys.add(alias);
            }
        }
        Collections.sort(keys);
        return keys;
    }

    private static void verify(File apk, int minSdk) throws Exception {
        ApkVerifier.Result result =
                new ApkVerifier.Builder(apk).setMinCheckedPlatformVersion(minSdk).build().verify();
        if (!result.isVerified()) {
            StringBuilder reasons = new StringBuilder("the signature does not hold");
            for (ApkVerifier.IssueWithParams issue : result.getAllErrors()) {
                reasons.append("; ").append(issue);
            }
            throw new Refused(reasons.toString());
        }
        if (result.isVerifiedUsingV2Scheme()) {
            System.out.println("scheme v2");
        }
        if (result.isVerifiedUsingV3Scheme()) {
            System.out.println("scheme v3");
        }
        for (X509Certificate certificate : result.getSignerCertificates()) {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(certificate.getEncoded());
            StringBuilder hex = new StringBuilder();
            for (byte b : digest) {
                hex.append(String.format("%02x", b));
            }
            System.out.println("certificate " + hex);
        }
    }

    /** Something is wrong with what was given, and the message says what. */
    private static final class Refused extends Exception {
        Refused(String message) {
            super(message);
        }
    }
}
