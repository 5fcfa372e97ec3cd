// Light, dark, or as the system has it.

const THEMES = ["auto", "light", "dark"];
const SIGNS = { auto: "◐ Auto", light: "☀ Light", dark: "☾ Dark" };

export function themeButton(button) {
  let theme = THEMES.includes(stored()) ? stored() : "auto";
  const apply = () => {
    document.documentElement.dataset.theme = theme;
    button.textContent = SIGNS[theme];
    button.setAttribute("aria-label", `Theme: ${theme}`);
  };
  button.addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    try {
      localStorage.setItem("theme", theme);
    } catch {
      // A browser without storage forgets it.
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
