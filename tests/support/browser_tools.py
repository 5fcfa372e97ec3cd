"""What a reader of the attention explorer does and sees."""

SENTENCE = "der kleine Hund schläft"


def ask(page, text=SENTENCE):
    page.get_by_label("Sentence", exact=True).fill(text)
    page.get_by_role("button", name="Translate", exact=True).click()
    page.wait_for_selector("#panel .word")


def words(page, side):
    return page.locator(f"#panel .word[data-side={side}]")


def shades(page, side):
    return words(page, side).evaluate_all(
        "all => all.map(word => Number(word.style.getPropertyValue('--w')))"
    )
