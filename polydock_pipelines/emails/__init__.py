"""The mails of a trial: kinds, contexts, themes and rendering. Nothing here sends or stores."""
