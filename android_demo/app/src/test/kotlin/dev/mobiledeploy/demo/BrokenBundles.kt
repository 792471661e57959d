package dev.mobiledeploy.demo

/** The app with other assets; tests/android/test_app.py makes the folders. */
internal object BrokenBundles {
    class NoModel : MainActivity() {
        override val modelFolder = "none"
    }

    /** A byte of the model differs. */
    class Damaged : MainActivity() {
        override val modelFolder = "damaged"
    }

    /** The contract is cut off. */
    class NoContract : MainActivity() {
        override val modelFolder = "cut"
    }

    /** The contract says uint8, the model takes int8. */
    class Mismatch : MainActivity() {
        override val modelFolder = "mismatch"
    }

    /** A model that is no model, with the right digest. */
    class Nonsense : MainActivity() {
        override val modelFolder = "nonsense"
    }

    /** One golden logit is one step off. */
    class WrongGolden : MainActivity() {
        override val modelFolder = "wrong-golden"
    }
}
