// Light, dark, or the system's theme.

const THEMES = ["auto", "light", "dark"];
const LABELS = { auto: "◐ Auto", light: "☀ Light", dark: "☾ Dark" };

export function themeButton(button) {
  let theme = THEMES.includes(stored()) ? stored() : "auto";
  const apply = () => {
    document.documentElement.dataset.theme = theme;
    button.textContent = LABELS[theme];
    button.setAttribute("aria-label", `Theme: ${theme}`);
  };
  button.addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    try {
      localStorage.setItem("theme", theme);
    } catch {
      // Without storage the choice is forgotten.
    }
    apply();
  });
  apply();
}

function stored() {
  try {
    return localStorage.getItem("theme");
  } catch {
    return null;
  }
}
