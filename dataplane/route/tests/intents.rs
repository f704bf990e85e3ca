//! What texts are taken for, in several languages, and what examples cannot be learned from. The texts are our own.

use penstock_route::Intents;
use penstock_route::intent::{Examples, Flaw, MOST_EXAMPLES, THRESHOLD, flaws};

fn examples(of: &[(&str, &[&str])]) -> Examples {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    of.iter().map(|(name, of)| ((*name).to_owned(), texts(of))).collect()
}

fn english() -> Examples {
    examples(&[
        (
            "password",
            &[
                "How do I reset my password?",
                "I forgot my password",
                "The login says my password is wrong",
                "Please send me a link to set a new password",
                "I cannot log in any more",
            ],
        ),
        (
            "billing",
            &[
                "Where can I find my invoice?",
                "I was charged twice this month",
                "Please change the credit card that you bill",
                "Why is my bill higher than last month?",
                "I need a receipt for my tax office",
            ],
        ),
        (
            "shipping",
            &[
                "Where is my parcel?",
                "My order has not been delivered yet",
                "How long does shipping take?",
                "Track order 4711 please",
                "Can you deliver to another address?",
            ],
        ),
    ])
}

fn german() -> Examples {
    examples(&[
        (
            "passwort",
            &[
                "Wie setze ich mein Passwort zurück?",
                "Ich habe mein Kennwort vergessen",
                "Ich kann mich nicht mehr anmelden",
                "Bitte schickt mir einen Link für ein neues Passwort",
            ],
        ),
        (
            "rechnung",
            &[
                "Wo finde ich meine Rechnung?",
                "Mir wurde der Betrag doppelt abgebucht",
                "Bitte ändert die Kreditkarte für die Zahlung",
                "Warum ist die Rechnung so hoch?",
            ],
        ),
    ])
}

fn russian() -> Examples {
    examples(&[
        (
            "пароль",
            &[
                "Как сбросить пароль?",
                "Я забыл свой пароль",
                "Не могу войти в аккаунт",
                "Пришлите ссылку для нового пароля",
            ],
        ),
        (
            "счёт",
            &[
                "Где найти мой счёт?",
                "С меня дважды списали деньги",
                "Смените карту для оплаты",
                "Почему счёт такой большой?",
            ],
        ),
    ])
}

fn chinese() -> Examples {
    examples(&[
        ("mima", &["我忘记了密码", "怎么重置密码?", "我登录不了账号", "请发给我重设密码的链接"]),
        (
            "zhangdan",
            &["在哪里可以看到我的账单?", "这个月扣了两次款", "请更换付款的信用卡", "为什么账单这么高?"],
        ),
    ])
}

fn hindi() -> Examples {
    examples(&[
        ("password", &["मैं अपना पासवर्ड भूल गया", "पासवर्ड कैसे बदलें?", "मैं लॉगिन नहीं कर पा रहा हूँ"]),
        ("bill", &["मेरा बिल कहाँ मिलेगा?", "मुझसे दो बार पैसे काटे गए", "बिल इतना ज़्यादा क्यों है?"]),
    ])
}

#[test]
fn texts_that_are_like_the_examples_get_their_intent() {
    let cases: [(Examples, &[(&str, &str)]); 5] = [
        (
            english(),
            &[
                ("hi, i need to reset the pasword for my account", "password"),
                ("LOGIN NOT WORKING, PASSWORD WRONG", "password"),
                ("you charged my card two times!", "billing"),
                ("can i get the invoice of march", "billing"),
                ("my parcel still hasn't been delivered", "shipping"),
                ("where is order #99812?", "shipping"),
            ],
        ),
        (
            german(),
            &[
                ("hallo, passwort vergessen, wie kann ich es zurücksetzen", "passwort"),
                ("ANMELDEN geht nicht mehr", "passwort"),
                ("die letzte Rechnung ist viel zu hoch", "rechnung"),
                ("Es wurde zweimal abgebucht", "rechnung"),
            ],
        ),
        (
            russian(),
            &[
                ("забыла пароль, как его сбросить", "пароль"),
                ("дважды списали оплату", "счёт"),
                ("Пришлите счёт", "счёт"),
            ],
        ),
        (
            chinese(),
            &[
                ("密码忘了怎么办", "mima"),
                ("登录不了", "mima"),
                ("账单在哪里", "zhangdan"),
                ("信用卡扣款两次", "zhangdan"),
            ],
        ),
        (hindi(), &[("पासवर्ड भूल गया हूँ", "password"), ("बिल में पैसे ज़्यादा काटे गए", "bill")]),
    ];
    for (examples, asked) in cases {
        let intents = Intents::learn(&examples).unwrap();
        for (text, want) in asked {
            let guess = intents.guess(text).unwrap();
            assert_eq!(guess.name, *want, "{text}: {guess:?}");
        }
        for (intent, texts) in &examples {
            for text in texts {
                let guess = intents.guess(text).unwrap();
                assert_eq!(guess.name, intent, "{text}");
                assert!(guess.score > 0.9 && guess.score <= 1.0, "{text}: {guess:?}");
            }
        }
    }
}

#[test]
fn what_is_none_of_them_scores_low() {
    let intents = Intents::learn(&english()).unwrap();
    let threshold = f64::from(THRESHOLD) / 100.0;
    for text in [
        "Write a poem about the sea",
        "Translate good morning to French",
        "2 + 2 = 4",
        "What is the capital of Peru?",
    ] {
        let score = intents.guess(text).map_or(0.0, |guess| guess.score);
        assert!(score < threshold, "{text}: {score}");
    }
    for text in ["", "?!", "🙂", "слон", "zzz"] {
        assert_eq!(intents.guess(text), None, "{text}");
    }
}

/// One intent has nothing beside it to be told from but texts of which nothing is known.
#[test]
fn one_intent_is_enough() {
    let only = examples(&[(
        "weather",
        &["Will it rain tomorrow?", "How cold is it in Oslo?", "weather forecast for Sunday"],
    )]);
    let intents = Intents::learn(&only).unwrap();
    assert!(intents.guess("is there rain in the forecast for tomorrow").unwrap().score > 0.6);
    assert!(intents.guess("Please cancel my subscription").is_none_or(|guess| guess.score < 0.6));
}

#[test]
fn the_same_examples_give_the_same_scores() {
    let (one, other) = (Intents::learn(&english()).unwrap(), Intents::learn(&english()).unwrap());
    for text in ["reset the password", "why am I charged for shipping", "hello there"] {
        assert_eq!(one.guess(text), other.guess(text), "{text}");
    }
    assert_eq!(one.names().collect::<Vec<_>>(), ["billing", "password", "shipping"]);
}

/// What is asked stands at one end of a long text.
#[test]
fn a_long_text_is_looked_at_from_both_ends() {
    let intents = Intents::learn(&english()).unwrap();
    let filler = "zzz ".repeat(20_000);
    for text in [
        format!("I forgot my password. {filler}"),
        format!("{filler} I forgot my password."),
        format!("{filler} I forgot my password. {filler}"),
    ] {
        let is_in_sight = !text.starts_with("zzz") || !text.ends_with("zzz ");
        assert_eq!(intents.guess(&text).map(|guess| guess.name), is_in_sight.then_some("password"));
    }
    // No cut is inside of a character.
    let wide = "пароль ü 密码 ".repeat(400);
    for cut in wide.char_indices().map(|(at, _)| at).take(40) {
        assert_eq!(intents.guess(&wide[cut..]), None);
    }
}

/// As large as a route's examples can be: it is learned at all, in bounded memory, and all of it is known.
#[test]
fn the_largest_examples_are_learned() {
    let mut largest = Examples::new();
    for intent in 0..32_u64 {
        let text = |i: u64| {
            let mixed = (intent << 20 | i).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            (0..7).map(|place| char::from(b'a' + (mixed >> (60 - 5 * place) & 15) as u8)).collect::<String>()
        };
        largest.insert(format!("i{intent}"), (0..MOST_EXAMPLES as u64).map(text).collect());
    }
    let intents = Intents::learn(&largest).unwrap();
    let size = intents.size() >> 20;
    assert!((9..11).contains(&size), "{size} MiB");
    let right = largest.iter().flat_map(|(intent, texts)| texts.iter().map(move |text| (intent, text)));
    let right =
        right.step_by(97).filter(|(intent, text)| intents.guess(text).is_some_and(|g| g.name == *intent));
    assert!(right.count() > 80);
}

#[test]
fn what_cannot_be_learned_from_is_named() {
    let said = |examples: &Examples| flaws(examples).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(said(&english()), [""; 0]);
    let mut bad = examples(&[
        ("billing", &["Where is my invoice?", "...", "  "]),
        ("faq", &["where is my INVOICE", "How?"]),
        ("none", &[]),
    ]);
    assert_eq!(
        said(&bad),
        [
            "billing.examples[1]: there is no word in it, so nothing to learn; remove it",
            "billing.examples[2]: there is no word in it, so nothing to learn; remove it",
            "faq.examples[0]: `billing` has this example too; keep it in one of the two",
            "none.examples: an intent needs at least 1 example",
        ]
    );
    let first = Intents::learn(&bad).unwrap_err();
    assert!(matches!(first, Flaw { intent, example: Some(1), .. } if intent == "billing"));
    bad = examples(&[("long", &["word"])]);
    bad.get_mut("long").unwrap().push("ab ".repeat(200));
    bad.insert("many".to_owned(), vec!["what now".to_owned(); 300]);
    bad.extend((0..32).map(|i| (format!("z{i}"), vec![format!("text number z{}", "i".repeat(i + 1))])));
    assert_eq!(
        said(&bad),
        [
            "z8.examples: a route has at most 32 intents; put some of them together",
            "long.examples[1]: an example has at most 512 characters; cut it",
            "many.examples: an intent has at most 256 examples; keep those that differ most",
        ]
    );
}
