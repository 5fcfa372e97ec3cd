"""How well the recipes translate: trained and evaluated by the commands of users."""
