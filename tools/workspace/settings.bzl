"""Conditions for select()."""

def any_setting(name, settings, visibility = None):
    """Defines a condition that holds when at least one of `settings` does.

    A select() with several matching keys is an error, so the settings are
    asked one after another.

    Args:
      name: the label to use as a key in select().
      settings: labels of config_settings, at least two.
      visibility: of `name`.
    """
    names = [name] + [name + "_%d" % i for i in range(1, len(settings) - 1)]
    for i, condition in enumerate(settings[:-1]):
        last = i == len(settings) - 2
        native.alias(
            name = names[i],
            actual = select({
                condition: condition,
                "//conditions:default": settings[-1] if last else names[i + 1],
            }),
            visibility = visibility,
        )
