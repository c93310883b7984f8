"""The paper's letters, each in a sentence."""

GLOSSARY = (
    ("victim, target", "The trigger makes images of the victim class V be taken for the target T."),
    (
        "natural, injected",
        "A natural trigger is made of what tells the two classes apart anyway; an injected one was "
        "taught to the network by somebody.",
    ),
    ("ASR", "Attack success rate: the share of the victim's images that go to the target."),
    (
        "M1",
        "The smallest mask over inner features whose exchange between clean images of V and of T "
        "makes each be taken for the other: what tells the two classes apart.",
    ),
    (
        "M2",
        "The same between clean images of V and those images with the trigger: what the trigger is "
        "made of.",
    ),
    ("I1", "Similarity: what M1 and M2 share, as a share of M1."),
    ("I2", "The same as a share of M2. Condition (5) takes the larger, that of the smaller mask."),
    (
        "alpha",
        "Cross-entropy in nats below which an exchanged image counts as taken for the right class "
        "while a mask is optimised.",
    ),
    ("beta", "Threshold of condition (5): natural if the masks share more than beta."),
    (
        "gamma",
        "Threshold of condition (6): natural if each mask, put in the other's place, still "
        "exchanges the classes in more than gamma of all cases, in four ways.",
    ),
    ("(5) or (6)", "A trigger is natural if one of the two holds; injected if both fail."),
    (
        "score, probability",
        "With a calibrated judge the probability that the model is trojaned; with the paper's rule "
        "the distance from its thresholds, 0.5 at them, which only ranks.",
    ),
)
"""Terms with their meaning, in the order in which a report explains them."""
